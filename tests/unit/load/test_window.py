"""Which rows of a chunk are left to be sent, after changes that were taken while it was on its way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from forwarder.events import CapturedTable, Event
from forwarder.load import window as window_module
from forwarder.load.window import Window
from forwarder.outbox.keys import key_reader
from forwarder.outbox.position import Snapshot

ORDERS = CapturedTable(id=1, relation=5001, schema="public", name="orders", key_columns=(("id",),), before_image="full")
ORDERS_ALTERED = CapturedTable(
    id=1, relation=5001, schema="public", name="orders", key_columns=(("id",),), before_image="full"
)
NOTES = CapturedTable(id=2, relation=5002, schema="public", name="notes", key_columns=(), before_image="full")

# Transaction 10 is running, those up to 19 have ended but for it.
SNAPSHOT = Snapshot(10, 20, (10,))
SEEN, RUNNING, LATER = 12, 10, 21


def change(
    op: bytes, txid: int, *, table: CapturedTable = ORDERS, before: str | None = None, after: str | None = None
) -> Event:
    image = after or before
    key, values = (key_reader(table)(image) if image else None) or (None, None)
    return Event(1, txid, 0, table, None, op, before, after, None, 1, 1, key, values)


def keyed(*changes: Event, tells_new_rows: bool = True) -> Window:
    window = Window(table=ORDERS, read_key=key_reader(ORDERS), tells_new_rows=tells_new_rows)
    window.see(changes)
    return window


def keyless(*changes: Event, tells_old_rows: bool = True) -> Window:
    window = Window(table=NOTES, read_key=None, tells_old_rows=tells_old_rows)
    window.see(changes)
    return window


def left(window: Window, images: Sequence[str | None]) -> list[str | None]:
    rows = [change(b"R", 0, table=window.table, after=image) for image in images]
    return [row.after for row in window.left(SNAPSHOT, rows)]


def test_a_row_that_was_changed_in_a_transaction_the_snapshot_does_not_see_is_left_out() -> None:
    window = keyed(
        change(b"U", LATER, before='{"id":1,"v":1}', after='{"id":1,"v":2}'),
        change(b"D", RUNNING, before='{"id":2}'),
        change(b"I", LATER, after='{"id":3}'),
    )
    assert left(window, ['{"id":1,"v":1}', '{"id":2}', '{"id":3}', '{"id":4}']) == ['{"id":4}']


def test_a_row_that_was_changed_in_a_transaction_the_snapshot_sees_is_sent() -> None:
    window = keyed(change(b"U", SEEN, before='{"id":1,"v":1}', after='{"id":1,"v":2}'))
    assert left(window, ['{"id":1,"v":2}']) == ['{"id":1,"v":2}']


def test_changes_of_other_tables_leave_the_rows_alone() -> None:
    window = keyed(change(b"D", LATER, table=NOTES, before='{"id":1}'), change(b"T", LATER, table=NOTES))
    assert not window.is_void(SNAPSHOT)
    assert left(window, ['{"id":1}']) == ['{"id":1}']


def test_both_spellings_of_a_key_are_known_that_an_update_leads_from_and_to() -> None:
    window = keyed(change(b"U", LATER, before='{"id":"a"}', after='{"id":"A"}'))
    assert left(window, ['{"id":"a"}', '{"id":"A"}']) == []


def test_a_truncate_or_a_change_of_the_table_that_the_snapshot_does_not_see_voids_the_chunk() -> None:
    for op in (b"T", b"S"):
        assert keyed(change(op, LATER)).is_void(SNAPSHOT)
        assert not keyed(change(op, SEEN)).is_void(SNAPSHOT)


def test_a_gap_says_nothing_of_the_rows() -> None:
    assert not keyed(change(b"G", LATER)).is_void(SNAPSHOT)


def test_a_change_whose_key_nobody_can_read_voids_the_chunk() -> None:
    assert keyed(change(b"U", LATER)).is_void(SNAPSHOT)


def test_a_change_under_another_shape_of_the_table_voids_the_chunk() -> None:
    assert keyed(change(b"U", LATER, table=ORDERS_ALTERED, after='{"id":1}')).is_void(SNAPSHOT)


def test_an_update_that_does_not_tell_its_row_whole_voids_the_chunk() -> None:
    window = keyed(change(b"U", LATER, after='{"id":1}'), tells_new_rows=False)
    assert window.is_void(SNAPSHOT)
    assert not keyed(change(b"I", LATER, after='{"id":1}'), tells_new_rows=False).is_void(SNAPSHOT)


def test_a_row_whose_image_is_missing_is_known_by_its_key() -> None:
    window = keyed(change(b"D", LATER, before='{"id":1,"v":1}'))
    without_image, unknown = change(b"R", 0, after='{"id":1}'), change(b"R", 0)
    without_image.after = None
    assert window.left(SNAPSHOT, [without_image, unknown]) == [unknown]


def test_a_change_that_comes_between_two_portions_counts_for_the_second() -> None:
    for window, gone in [
        (keyed(), change(b"D", LATER, before='{"id":1}')),
        (keyless(), change(b"D", LATER, table=NOTES, before='{"id":1}')),
    ]:
        assert left(window, ['{"id":1}']) == ['{"id":1}']
        window.see([gone])
        assert left(window, ['{"id":1}', '{"id":2}']) == ['{"id":2}']


def test_of_equal_rows_without_a_key_as_many_are_left_out_as_were_removed() -> None:
    window = keyless(
        change(b"D", LATER, table=NOTES, before='{"v":1}'),
        change(b"U", LATER, table=NOTES, before='{"v":2}', after='{"v":1}'),
        change(b"D", SEEN, table=NOTES, before='{"v":1}'),
    )
    assert left(window, ['{"v":1}', '{"v":1}', '{"v":2}']) == ['{"v":1}']


def test_a_row_without_a_key_is_left_out_of_one_portion_alone() -> None:
    window = keyless(change(b"D", LATER, table=NOTES, before='{"v":1}'))
    assert left(window, ['{"v":1}']) == []
    assert left(window, ['{"v":1}']) == ['{"v":1}']


def test_a_delete_without_an_old_row_voids_a_chunk_of_a_table_without_a_key() -> None:
    assert keyless(change(b"D", LATER, table=NOTES)).is_void(SNAPSHOT)
    assert keyless(change(b"D", LATER, table=NOTES, before='{"v":1}'), tells_old_rows=False).is_void(SNAPSHOT)


def test_rows_that_were_inserted_since_are_not_in_a_chunk_and_take_none_out_of_it() -> None:
    window = keyless(change(b"I", LATER, table=NOTES, after='{"v":1}'))
    assert left(window, ['{"v":1}']) == ['{"v":1}']


def test_more_changes_than_are_kept_void_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MAX_CHANGES", 2)
    window = keyed(*[change(b"D", LATER, before=f'{{"id":{number}}}') for number in range(3)])
    assert window.is_void(SNAPSHOT)


def test_what_is_noted_of_changes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_module, "MAX_CHANGES", 2)
    window = keyed(*[change(b"D", SEEN, before=f'{{"id":{number}}}') for number in range(100)])
    assert len(window._changed) == 0
    assert window.is_void(SNAPSHOT)
