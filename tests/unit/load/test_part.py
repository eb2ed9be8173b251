"""Which part of a table is to be loaded."""

from __future__ import annotations

import msgspec
import pytest

from forwarder.errors import LoadFailed
from forwarder.load.chunk import Place
from forwarder.load.part import Part


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("at", ("at", None)),
        (" at ", ("at", None)),
        ("at>=2026-01-01 00:00Z", ("at", "2026-01-01 00:00Z")),
        ("at >= '2026-01-01'", ("at", "2026-01-01")),
        ("note>='it''s'", ("note", "it's")),
        ("note>='", ("note", "'")),
        ('"a "">= b" >= 7', ('a ">= b', "7")),
        ("n>=-7", ("n", "-7")),
    ],
)
def test_an_order_is_a_column_and_perhaps_a_value(text: str, order: tuple[str, str | None]) -> None:
    assert Part(order_by=text).order == order


@pytest.mark.parametrize("text", ["", "at>2026", "at >=", "at = 7", "at desc", "at, id", '"at'])
def test_another_order_is_refused(text: str) -> None:
    with pytest.raises(LoadFailed, match="write COLUMN, or COLUMN>=VALUE"):
        _ = Part(order_by=text).order


@pytest.mark.parametrize(
    "value",
    [
        Part(),
        Part(where="a = 'ä'", columns=("a", "b"), order_by="a", limit=7),
        Place(4711),
        Place(4711, ("1", "it's", '"\\')),
    ],
)
def test_parts_and_places_are_kept_as_json(value: Part | Place) -> None:
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
