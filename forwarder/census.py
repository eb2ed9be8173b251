"""How many changes each transaction made, asked in statements that stay short however many they are.

A single statement would take a second for some millions of changes: for as long as that it would hold vacuum back, and keep others
from the connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

# So many changes are counted in less than a tenth of a second. More than a page has transactions, of which most have one.
MAX_COUNTED = 200_000

# The name of a query and its parameters.
Fetch = Callable[..., Awaitable[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Count:
    """A transaction's changes: how many there are, and how many of them come first, up to the seq that was asked for."""

    txid: int
    total: int
    earlier: int


async def take(fetch: Fetch, txids: Sequence[int], *, up_to_seq: int) -> Sequence[Count]:
    """Count these transactions; those of one change are left out."""
    if not txids:
        return ()
    if len(txids) == 1:
        count = await _count_by_parts(fetch, txids[0], up_to_seq=up_to_seq)
        return [count] if count.total > 1 else ()
    rows = await fetch("count_transactions", txids, up_to_seq, MAX_COUNTED)
    if sum(row[1] for row in rows) < MAX_COUNTED - len(txids):
        return [Count(*row) for row in rows]
    # There is a large one among them.
    middle = len(txids) // 2
    first = await take(fetch, txids[:middle], up_to_seq=up_to_seq)
    return [*first, *await take(fetch, txids[middle:], up_to_seq=up_to_seq)]


async def _count_by_parts(fetch: Fetch, txid: int, *, up_to_seq: int) -> Count:
    total = earlier = last_seq = 0
    while True:
        [(counted, of_them_earlier, last_seq)] = await fetch(
            "count_transaction", txid, up_to_seq, last_seq, MAX_COUNTED
        )
        total += counted
        earlier += of_them_earlier
        if counted < MAX_COUNTED:
            return Count(txid, total, earlier)
