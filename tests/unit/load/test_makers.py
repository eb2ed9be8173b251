"""Which rows are older than a load."""

from __future__ import annotations

import pytest

from forwarder.load.makers import Age, age, maker
from forwarder.outbox.position import Snapshot

TURN = 1 << 32


@pytest.mark.parametrize(
    ("xmin", "newest", "txid"),
    [
        (700, 700, 700),
        (700, 3_000_000_000, 700),
        (700, TURN + 699, 700),
        (700, TURN + 700, TURN + 700),
        (4_000_000_000, TURN + 5, 4_000_000_000),
        (4_000_000_000, 3 * TURN + 5, 2 * TURN + 4_000_000_000),
        (2, 3 * TURN, 2),
    ],
)
def test_the_maker_is_the_last_transaction_whose_id_ends_so(xmin: int, newest: int, txid: int) -> None:
    assert maker(xmin, Snapshot(newest + 1, newest + 1)) == txid


@pytest.mark.parametrize(
    ("xmin", "found"),
    [
        (700, Age.OLD),
        (999, Age.OLD),
        (1000, Age.NEW),
        (1001, Age.SEEMS_OLD),
        (1010, Age.NEW),
        (1500, Age.NEW),
        (1, Age.OLD),
    ],
)
def test_a_row_is_old_if_the_snapshot_at_the_beginning_sees_its_maker(xmin: int, found: Age) -> None:
    assert age(xmin, Snapshot(1000, 1010, (1000, 1005)), Snapshot(2000, 2000)) is found


def test_a_row_that_was_frozen_is_old_however_long_ago_that_was() -> None:
    now = Snapshot(TURN - 10, TURN - 10)
    assert age(700, now, now) is Age.OLD


def test_where_the_ids_have_gone_round_a_row_that_seems_new_may_be_old() -> None:
    begun, now = Snapshot(TURN + 700, TURN + 700), Snapshot(TURN + 800, TURN + 800)
    assert age(750, begun, now) is Age.SEEMS_NEW
    assert age(900, begun, now) is Age.OLD
