"""How many changes each transaction made, asked in statements that stay short however many they are.

A single statement would take a second for a million changes: for as long as that it would hold vacuum back, and keep others from the
connection. And as long as a transaction is counted, its first change waits. So nobody counts further than to ``MAX_TOTAL``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from forwarder.outbox.position import Numbered
from forwarder.outbox.transactions import Count

# So many changes are counted in some tenth of a second. More than a page has transactions, of which most have one.
MAX_COUNTED = 100_000
# Transactions that began one after the other lie side by side in the index. Walking over a thousand takes half of what finding each
# takes; runs of ten on average take the same.
LEAST_RUN = 16
# A transaction of more than this says how many changes it has only with the last of them.
MAX_TOTAL = 200_000

# The name of a query and its parameters.
Fetch = Callable[..., Awaitable[Sequence[Any]]]


async def count(fetch: Fetch, txids: Sequence[int], *, up_to_seq: int, numbered: Numbered) -> Sequence[Count]:
    """Count these transactions, and of each those up to a seq; transactions of one change are left out.

    ``numbered`` says how far some of them, larger than ``MAX_TOTAL``, were counted before.
    """
    places = dict(numbered.places)
    counts = [
        await _count_by_parts(
            fetch, txid, up_to_seq=up_to_seq, seq=numbered.seq, total=MAX_TOTAL + 1, earlier=places[txid]
        )
        for txid in places
        if txid in txids
    ]
    uncounted = [txid for txid in txids if txid not in places] if counts else txids
    return [*counts, *await _count(fetch, uncounted, up_to_seq=up_to_seq)]


async def _count(fetch: Fetch, txids: Sequence[int], *, up_to_seq: int) -> Sequence[Count]:
    if not txids:
        return ()
    if len(txids) == 1:
        count = await _count_by_parts(fetch, txids[0], up_to_seq=up_to_seq)
        return () if count.total == 1 else (count,)
    firsts, lasts = _runs(txids)
    if LEAST_RUN * len(firsts) <= len(txids):
        rows = await fetch("count_runs", firsts, lasts, up_to_seq, MAX_COUNTED)
    else:
        rows = await fetch("count_transactions", txids, up_to_seq, MAX_COUNTED)
    if sum(row["total"] for row in rows) < MAX_COUNTED - len(txids):
        return [Count(row["txid"], row["total"], row["earlier"]) for row in rows]
    # There is a large one among them.
    middle = len(txids) // 2
    first = await _count(fetch, txids[:middle], up_to_seq=up_to_seq)
    return [*first, *await _count(fetch, txids[middle:], up_to_seq=up_to_seq)]


def _runs(txids: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Where ids follow each other without a gap, so that no other transaction lies between: the first and the last of each run."""
    firsts: list[int] = []
    lasts: list[int] = []
    for txid in sorted(txids):
        if lasts and txid == lasts[-1] + 1:
            lasts[-1] = txid
        else:
            firsts.append(txid)
            lasts.append(txid)
    return firsts, lasts


async def _count_by_parts(
    fetch: Fetch, txid: int, *, up_to_seq: int, seq: int = 0, total: int = 0, earlier: int = 0
) -> Count:
    """Count a transaction from a seq on, up to which it has so many changes, ``earlier`` of them up to the other."""
    while True:
        [part] = await fetch("count_transaction", txid, up_to_seq, seq, MAX_COUNTED)
        total += part["total"]
        earlier += part["earlier"]
        if part["total"] < MAX_COUNTED and total <= MAX_TOTAL:
            return Count(txid, total, earlier)
        if part["total"] < MAX_COUNTED or (total > MAX_TOTAL and part["last_seq"] > up_to_seq):
            [last] = await fetch("last_change", txid)
            return Count(txid, None, earlier, last["seq"])
        seq = part["last_seq"]
