"""Which triggers a table has, by its options."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forwarder.capture.trigger_set import (
    CAPTURE,
    FORMER_TRUNCATE,
    TRUNCATE,
    TriggerDefinition,
    is_name_of_ours,
    is_shaped,
    serialized,
    trigger_set,
)
from forwarder.config.table_options import TableOptions

INSERT, DELETE, UPDATE = 5, 9, 17
OWN = "pg_catalog.age(OLD.xmin) <= 0"
CHANGED = "OLD.* OPERATOR(pg_catalog.*<>) NEW.*"
OTHERS: dict[str, Any] = {"names": {}, "numbers": {}, "others": {}}


def triggers(**options: Any) -> list[TriggerDefinition]:
    read = TableOptions.model_validate(options)
    found = trigger_set(read, columns=("id", "a"), key=("id",), treatments=OTHERS if is_shaped(read) else {})
    assert all(is_name_of_ours(trigger.name) for trigger in found)
    return list(found)


def for_rows(**options: Any) -> list[TriggerDefinition]:
    """Those that capture changes of rows."""
    return [trigger for trigger in triggers(**options) if trigger.is_for_rows and trigger.name != f"{CAPTURE}_own"]


def noting(**options: Any) -> list[str | None]:
    """The condition of the trigger that has updates noted which are left out, if there is one."""
    return [trigger.condition for trigger in triggers(**options) if trigger.rules == '{"as":"NOTE"}']


def test_by_default_there_are_one_for_rows_and_one_for_truncate() -> None:
    assert triggers() == [
        TriggerDefinition(name=CAPTURE, type=29, function="capture"),
        TriggerDefinition(name=TRUNCATE, type=34, function="capture_truncate"),
    ]
    assert [trigger.rules for trigger in triggers(before="none")] == ["none", "none"]


@pytest.mark.parametrize(
    ("operations", "types"),
    [
        (["insert"], [INSERT]),
        (["delete", "insert"], [INSERT | DELETE]),
        (["update"], [UPDATE]),
        (["truncate", "delete"], [DELETE]),
    ],
)
def test_a_trigger_fires_for_the_operations_alone(operations: list[str], types: list[int]) -> None:
    assert [trigger.type for trigger in for_rows(operations=operations)] == types
    assert [trigger.name for trigger in triggers(operations=operations)].count(TRUNCATE) == operations.count("truncate")


def test_updates_that_are_left_out_are_noted_where_the_transaction_has_made_the_version_that_they_replace() -> None:
    assert noting() == noting(where="NEW.a > 1") == noting(operations=["update"]) == []
    assert noting(operations=["insert", "delete"]) == [f"({OWN}\n)"]
    assert noting(skip_unchanged=True) == [f"(({CHANGED}\n) IS NOT TRUE\n) AND ({OWN}\n)"]
    assert noting(skip_unchanged=True, operations=["insert"]) == [f"({OWN}\n)"]


def test_an_update_that_changes_nothing_is_left_out_by_a_trigger_of_its_own() -> None:
    assert [(trigger.name, trigger.type, trigger.condition) for trigger in for_rows(skip_unchanged=True)] == [
        (CAPTURE, INSERT | DELETE, None),
        (f"{CAPTURE}_update", UPDATE, CHANGED),
    ]
    assert [trigger.function for trigger in for_rows(skip_unchanged=True)] == ["capture", "capture"]


def test_an_update_counts_if_it_changes_a_column_that_is_watched_or_the_key() -> None:
    (_, update) = for_rows(only_when=["a", "gone"], skip_unchanged=True)
    assert update.condition == (
        'ROW(OLD."a", OLD."id")::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(NEW."a", NEW."id")::pg_catalog.record'
    )


def test_a_row_that_meets_a_condition_has_three_ways_to_be_updated() -> None:
    found = {trigger.name.removeprefix(CAPTURE): trigger for trigger in for_rows(where="NEW.a > 1")}
    assert {name: (trigger.type, trigger.condition) for name, trigger in found.items()} == {
        "": (INSERT, "(NEW.a > 1\n)"),
        "_update": (UPDATE, "(OLD.a > 1\n) AND (NEW.a > 1\n)"),
        "_enter": (UPDATE, "(NEW.a > 1\n) AND (OLD.a > 1\n) IS NOT TRUE"),
        "_leave": (UPDATE, "(OLD.a > 1\n) AND (NEW.a > 1\n) IS NOT TRUE"),
        "_delete": (DELETE, "(OLD.a > 1\n)"),
    }
    assert {name: trigger.function for name, trigger in found.items() if trigger.function != "capture"} == {
        "_enter": "capture_by_rules",
        "_leave": "capture_by_rules",
    }
    assert json.loads(found["_enter"].rules) == {"as": "INSERT"}
    assert json.loads(found["_leave"].rules) == {"as": "DELETE"}


def test_an_update_inside_a_condition_is_looked_at_for_changes_and_one_across_it_is_not() -> None:
    conditions = {trigger.name: trigger.condition or "" for trigger in for_rows(where="NEW.a > 1", skip_unchanged=True)}
    assert [name for name, condition in conditions.items() if CHANGED in condition] == [f"{CAPTURE}_update"]


def test_with_a_condition_and_without_updates_nothing_enters_or_leaves() -> None:
    found = for_rows(where="NEW.a > 1", operations=["delete"])
    assert [(trigger.name, trigger.type) for trigger in found] == [(CAPTURE, DELETE)]


@pytest.mark.parametrize(
    "options",
    [
        {"columns": {"exclude": ["a"]}},
        {"before": "changed"},
        {"before": "key"},
        {"after": "changed"},
        {"after": "key"},
    ],
)
def test_what_changes_images_is_told_to_the_function_with_how_columns_are_treated(options: dict[str, Any]) -> None:
    (trigger,) = for_rows(**options)
    assert trigger.function == "capture_by_rules"
    images = {name: value for name, value in options.items() if name != "columns"}
    assert json.loads(trigger.rules) == {**OTHERS, **images}


@pytest.mark.parametrize("options", [{"audit": True}, {"audit": ["statement"]}, {"context": False}])
def test_what_leaves_images_as_they_are_is_told_alone(options: dict[str, Any]) -> None:
    assert [json.loads(trigger.rules) for trigger in for_rows(**options, before="none")] == [
        {**options, "before": "none"}
    ]


def test_the_record_of_a_truncate_has_nothing_to_be_treated() -> None:
    found = triggers(columns={"exclude": ["a"]}, where="NEW.a > 1", before="key")
    assert found[-1] == TriggerDefinition(name=TRUNCATE, type=34, function="capture_truncate", rules="key")


def test_the_record_of_a_truncate_says_who_made_it_where_that_is_asked_for() -> None:
    assert json.loads(triggers(audit=True, context=False)[-1].rules) == {"audit": True, "context": False}


def test_whole_statements_have_triggers_for_rows_and_for_statements() -> None:
    assert {
        trigger.name.removeprefix(CAPTURE): (trigger.type, trigger.function) for trigger in triggers(level="statement")
    } == {
        "": (UPDATE, "capture"),
        "_insert": (INSERT, "capture_in_statement"),
        "_delete": (DELETE, "capture_in_statement"),
        "_inserts": (4, "capture_statement"),
        "_deletes": (8, "capture_statement"),
        "_begin": (2 | 4 | 8 | 16, "begin_statement"),
        TRUNCATE: (34, "capture_truncate"),
    }


@pytest.mark.parametrize("operations", [["insert"], ["delete"], ["insert", "delete"], ["update", "delete"], ["update"]])
@pytest.mark.parametrize("more", [{}, {"skip_unchanged": True}, {"only_when": ["a"]}])
def test_of_whole_statements_each_trigger_has_a_name_of_its_own(operations: list[str], more: dict[str, Any]) -> None:
    found = triggers(level="statement", operations=operations, **more)
    names = [trigger.name for trigger in found]
    assert len({*names}) == len(names)
    assert CAPTURE in names
    by_row = triggers(operations=operations, **more)
    assert [(trigger.condition, trigger.rules) for trigger in found if trigger.type == UPDATE] == [
        (trigger.condition, trigger.rules) for trigger in by_row if trigger.type & UPDATE == UPDATE
    ]


def test_names_of_ours_are_known_whatever_the_options_were() -> None:
    assert is_name_of_ours(FORMER_TRUNCATE)
    assert not is_name_of_ours("00_forwarder")


def test_what_the_registry_keeps_can_be_read_again() -> None:
    found = triggers(where="NEW.a = 'ä\"'")
    assert [TriggerDefinition(**members) for members in json.loads(serialized(found))] == found
