from __future__ import annotations

from random import Random

from forwarder.records.tally import PageCount, Tally
from tests.support.events import event, table

A, B = table("a"), table("b")


def test_changes_are_counted_by_table_and_operation_with_their_bytes_and_the_time_of_the_last() -> None:
    events = [
        event(seq=1, table=A, op=b"I", image_bytes=10, at=100),
        event(seq=3, table=B, op=b"D", image_bytes=5, at=200),
        event(seq=7, table=A, op=b"U", image_bytes=20, at=300, committed_at=310),
        event(seq=8, table=A, op=b"I", image_bytes=1, at=305, committed_at=309),
    ]
    tally = Tally()

    PageCount(events).count(tally)

    assert tally.by_operation() == {("public.a", "insert"): 2, ("public.a", "update"): 1, ("public.b", "delete"): 1}
    assert {table.name: (counted.bytes, counted.last_at) for table, counted in tally.tables.items()} == {
        "a": (31, 309),
        "b": (5, 200),
    }


def test_a_table_that_was_altered_in_between_is_one_table_for_metrics() -> None:
    tally = Tally()

    # The registry has read it anew, so it is another object.
    PageCount([event(seq=1, table=A, op=b"I"), event(seq=2, table=table("a"), op=b"I")]).count(tally)

    assert tally.by_operation() == {("public.a", "insert"): 2}


def test_a_page_that_is_counted_in_pieces_counts_as_much_as_at_once() -> None:
    chance = Random(1)
    for tables in ([A], [A, B], [table(f"t{number}") for number in range(40)]):
        events = [
            event(seq=seq, table=chance.choice(tables), op=chance.choice([b"I", b"U", b"D"]), image_bytes=seq, at=seq)
            for seq in range(1, 400, 3)
        ]
        at_once, in_pieces = Tally(), Tally()
        PageCount(events).count(at_once)
        page = PageCount(events)
        for before_seq in sorted(chance.randrange(410) for _ in range(10)):
            piece = Tally()
            page.count(piece, before_seq=before_seq)
            in_pieces.add(piece)
            assert sum(counted.changes.total() for counted in in_pieces.tables.values()) == len(
                [event for event in events if event.seq < before_seq]
            )
        page.count(in_pieces)

        assert page.is_counted
        assert in_pieces.tables == at_once.tables


def test_a_page_without_events_counts_nothing() -> None:
    tally = Tally()
    PageCount([]).count(tally)
    assert not tally
    assert PageCount([]).first_seq is None
