"""Counts the changes that transactions made, so that a record can say which of how many it is.

To count a million changes by one statement takes a second, for which it holds vacuum back and keeps other readers from the connection.
And while a transaction is being counted, its first change waits. So both each statement and the whole count are bounded:

1. Several transactions are counted by one statement that looks at ``MAX_COUNTED`` changes at most. If that is not enough, one of them is
   large: the list is halved, and each half is counted by itself.
2. A single transaction is counted in parts of ``MAX_COUNTED`` changes, each by a statement of its own, up to ``MAX_TOTAL`` changes.
3. A transaction of more than ``MAX_TOTAL`` changes gets no total. Its count has the seq of its last change instead, which an index probe
   finds. Its records do not say of how many they are, but for the last one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from forwarder.outbox.position import Numbered
from forwarder.outbox.transactions import Count

# Changes that one statement looks at, which takes about a tenth of a second. Most transactions have one change, and a page has fewer
# transactions than this (page_rows is 50,000 at most), so most pages need one statement.
MAX_COUNTED = 100_000
# Ids that follow each other lie side by side in the index, and one walk over such a run replaces a probe for each id. With runs of a thousand
# ids the walk takes half as long as the probes, with runs of ten as long: so it is done where runs have this many ids on average.
LEAST_RUN = 16
# Changes up to which a transaction is counted.
MAX_TOTAL = 200_000

# Runs a query: its name, then its parameters.
Fetch = Callable[..., Awaitable[Sequence[Any]]]


async def count(fetch: Fetch, txids: Sequence[int], *, up_to_seq: int, numbered: Numbered) -> Sequence[Count]:
    """For each of these transactions that made more than one change: how many, and how many of them up to a seq.

    ``numbered`` has the transactions that an earlier count has found larger than ``MAX_TOTAL``: of them only the changes after
    ``numbered.seq`` are counted.
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
    # Transactions of one change have no row here, and there are at most as many as ids. So below this sum the statement has seen every change.
    if sum(row["total"] for row in rows) < MAX_COUNTED - len(txids):
        return [Count(row["txid"], row["total"], row["earlier"]) for row in rows]
    middle = len(txids) // 2
    first = await _count(fetch, txids[:middle], up_to_seq=up_to_seq)
    return [*first, *await _count(fetch, txids[middle:], up_to_seq=up_to_seq)]


def _runs(txids: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """The first and the last id of each run of ids without a gap: 5, 6, 7 and 9 are the runs 5 to 7 and 9 to 9."""
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
    """Count the changes of one transaction after ``seq``; ``total`` and ``earlier`` are what is counted up to there.

    ``earlier`` are the changes up to ``up_to_seq``. These are counted even beyond ``MAX_TOTAL``: the place of the next one follows from them.
    """
    while True:
        [part] = await fetch("count_transaction", txid, up_to_seq, seq, MAX_COUNTED)
        total += part["total"]
        earlier += part["earlier"]
        is_last_part = part["total"] < MAX_COUNTED
        if is_last_part and total <= MAX_TOTAL:
            return Count(txid, total, earlier)
        if is_last_part or (total > MAX_TOTAL and part["last_seq"] > up_to_seq):
            [last] = await fetch("last_change", txid)
            return Count(txid, None, earlier, last["seq"])
        seq = part["last_seq"]
