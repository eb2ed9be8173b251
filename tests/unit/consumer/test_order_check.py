"""The check of order tells new changes from repeats and from those that are late."""

from __future__ import annotations

from forwarder.consumer import Change, OrderCheck


def change(seq: int, key: int | None = 1) -> Change:
    return Change(
        format="native",
        op="update",
        schema="public",
        table="orders",
        key=None if key is None else {"id": key},
        id=f"1/2/{seq:016x}",
        origin="1/2",
        seq=seq,
    )


def verdicts(*changes: Change) -> list[str]:
    check = OrderCheck()
    return [check.add(one) for one in changes]


def test_changes_in_order_are_new() -> None:
    assert verdicts(change(1), change(5), change(2, key=2)) == ["new", "new", "new"]


def test_what_has_come_before_is_a_repeat_wherever_it_comes() -> None:
    assert verdicts(change(1), change(2), change(1), change(2)) == ["new", "new", "repeat", "repeat"]


def test_what_is_older_and_has_not_come_before_is_late() -> None:
    assert verdicts(change(2), change(1), change(1)) == ["new", "late", "repeat"]


def test_a_table_without_a_key_has_no_order_to_check() -> None:
    assert verdicts(change(2, key=None), change(1, key=None), change(1, key=None)) == ["unknown", "unknown", "repeat"]


def test_a_format_without_seq_has_no_order_to_check() -> None:
    assert verdicts(Change(format="lambda", op="insert"), Change(format="lambda", op="insert")) == ["unknown"] * 2
