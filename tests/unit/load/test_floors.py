"""Which seq rows get that were read."""

from forwarder.events import CapturedTable, Event
from forwarder.load.floors import SeqFloors, Truncations
from forwarder.outbox.position import Position, Snapshot


def passed(*positions: tuple[int, int]) -> SeqFloors:
    """Floors of positions, each by its xmax and its floor."""
    floors = SeqFloors()
    for xmax, floor_seq in positions:
        floors.note(Position(delivered=Snapshot(xmax, xmax), floor_seq=floor_seq))
    return floors


def test_without_a_position_it_is_nought() -> None:
    assert SeqFloors().below(Snapshot(10, 10)) == 0


def test_it_is_the_floor_of_the_last_position_that_knew_no_transaction_that_runs_now() -> None:
    floors = passed((10, 100), (20, 200), (30, 300))
    assert floors.below(Snapshot(25, 40, (25,))) == 200


def test_a_position_that_counts_a_running_transaction_as_begun_says_nothing_of_its_seqs() -> None:
    # Transaction 8 runs, and may have drawn a seq below 100.
    assert passed((10, 100)).below(Snapshot(8, 40, (8,))) == 0


def test_it_never_falls() -> None:
    floors = passed((10, 100), (20, 200), (30, 300))
    assert [floors.below(Snapshot(xmin, 40)) for xmin in (20, 30)] == [200, 300]


ORDERS = CapturedTable(id=1, relation=5001, schema="public", name="orders", key_columns=(("id",),), before_image="full")
OTHERS = CapturedTable(id=2, relation=5002, schema="public", name="others", key_columns=(("id",),), before_image="full")


def truncate(seq: int, *, table: CapturedTable = ORDERS, partition: str | None = None) -> Event:
    return Event(seq, 1, 0, table, partition, b"T", None, None, None, 1, 1, None, None)


def test_a_truncate_of_a_table_concerns_all_its_partitions_and_one_of_a_partition_that_one() -> None:
    truncations = Truncations(ORDERS)
    truncations.see([truncate(5), truncate(9, partition="orders_a"), truncate(11, table=OTHERS), truncate(7)])
    assert {name: truncations.last_of(name) for name in (None, "orders_a", "orders_b")} == {
        None: 7,
        "orders_a": 9,
        "orders_b": 7,
    }


def test_what_is_recalled_later_takes_nothing_back() -> None:
    truncations = Truncations(ORDERS)
    truncations.note(None, 9)
    truncations.note(None, 4)
    assert truncations.last_of(None) == 9
