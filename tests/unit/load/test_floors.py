"""Which seq rows get that were read."""

from forwarder.load.floors import SeqFloors
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
