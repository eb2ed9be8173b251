"""``forwarder.listen.initial_loads``."""

from __future__ import annotations

from typing import Any

import pytest

from forwarder.config.settings import TableRule
from forwarder.errors import Misconfigured
from forwarder.events import CapturedTable
from forwarder.listen.initial_loads import initial_tables


def captured(id: int, name: str) -> CapturedTable:
    return CapturedTable(id=id, relation=id, schema="public", name=name, key_columns=(), before_image="full")


EVENTS, ORDERS, ITEMS, NOTES = TABLES = [
    captured(id, name) for id, name in enumerate(("event", "orders", "items", "notes"))
]


def found(*rules: dict[str, Any], sink: list[str] | None = None) -> list[int]:
    return initial_tables([TableRule.model_validate(rule) for rule in rules], sink or [])(TABLES)


def test_nothing_is_loaded_that_no_rule_asks_for() -> None:
    assert found() == found({"match": "*"}) == found({"match": "*", "load": "none"}) == []


def test_every_table_that_a_rule_chooses_is_loaded_but_the_events_of_the_application() -> None:
    assert found({"match": "*", "load": "initial", "exclude": ["notes"]}) == [ORDERS.id, ITEMS.id]


def test_the_last_rule_that_says_so_counts() -> None:
    everything = {"match": "*", "load": "initial"}

    assert found(everything, {"match": "items", "load": "none"}, {"match": "orders", "before": "key"}) == [
        ORDERS.id,
        NOTES.id,
    ]
    assert found({"match": "items", "load": "none"}, everything) == [ORDERS.id, ITEMS.id, NOTES.id]


def test_a_sink_gets_only_the_tables_that_it_is_for() -> None:
    assert found({"match": "*", "load": "initial"}, sink=["i*", "notes"]) == [ITEMS.id, NOTES.id]


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(Misconfigured, match="malformed"):
        found({"match": "a.b.c", "load": "initial"})


def test_how_a_table_is_loaded_is_nothing_of_how_it_is_captured() -> None:
    """Else its triggers would be made anew, or a rule of table mappings be overruled."""
    assert TableRule(match="orders", load="initial").options == {}
