"""Counting transactions: right whatever their sizes, by statements that look at a bounded number of changes each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.database.queries import query
from forwarder.outbox import transaction_counts
from forwarder.outbox.position import UNNUMBERED, Numbered
from forwarder.outbox.transactions import Count
from tests.world import Session, World

MAX_COUNTED = 20
MAX_TOTAL = 50


@pytest.fixture(autouse=True)
def _few_are_counted_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction_counts, "MAX_COUNTED", MAX_COUNTED)
    monkeypatch.setattr(transaction_counts, "MAX_TOTAL", MAX_TOTAL)
    monkeypatch.setattr(transaction_counts, "LEAST_RUN", 4)


def world_of(sizes: list[int]) -> World:
    """Transactions of these sizes, whose changes come by turns."""
    world = World()
    transactions = [world.begin() for _ in sizes]
    for transaction in transactions:
        world.assign_xid(transaction)
    for turn in range(max(sizes)):
        for size, transaction in zip(sizes, transactions, strict=True):
            if turn < size:
                world.capture(transaction, 1, padding=0)
    for transaction in transactions:
        world.end(transaction, commit=True)
    return world


@given(
    sizes=st.lists(st.integers(1, 70), min_size=1, max_size=8),
    up_to_seq=st.integers(0, 200),
    numbered_to_seq=st.integers(0, 200),
    not_asked=st.sets(st.integers(0, 7), max_size=3),
)
async def test_every_transaction_of_more_than_one_change_is_counted_or_its_last_change_found(
    sizes: list[int], up_to_seq: int, numbered_to_seq: int, not_asked: set[int]
) -> None:
    world = world_of(sizes)
    session: Any = Session(world)
    seqs: defaultdict[int, list[int]] = defaultdict(list)
    for row in world.visible:
        seqs[row.txid].append(row.seq)
    for number, txid in enumerate(list(seqs)):
        if number in not_asked:
            del seqs[txid]
    numbered = numbered_before(seqs, numbered_to_seq) if numbered_to_seq <= up_to_seq else UNNUMBERED

    async def fetch(name: str, *parameters: Any) -> Any:
        return await session.fetch(query(name), *parameters)

    async def take() -> Any:
        return await transaction_counts.count(fetch, list(seqs), up_to_seq=up_to_seq, numbered=numbered)

    assert {count.txid: count for count in await take()} == {
        txid: Count(
            txid,
            len(mine) if len(mine) <= MAX_TOTAL else None,
            earlier=sum(seq <= up_to_seq for seq in mine),
            last_seq=mine[-1] if len(mine) > MAX_TOTAL else 0,
        )
        for txid, mine in seqs.items()
        if len(mine) > 1
    }


def numbered_before(seqs: Mapping[int, Sequence[int]], up_to_seq: int) -> Numbered:
    """What a reader had numbered before a restart."""
    large = {txid: mine for txid, mine in seqs.items() if len(mine) > MAX_TOTAL}
    return Numbered(up_to_seq, tuple((txid, sum(seq <= up_to_seq for seq in mine)) for txid, mine in large.items()))
