"""What the options of a ``[[table]]`` may be, and what several rules set together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from forwarder.config.settings import TableRule
from forwarder.config.table_options import ColumnRules, TableOptions, merged


def problem(**options: Any) -> str:
    """What is wrong with these options, in one line each."""
    with pytest.raises(ValidationError) as caught:
        TableOptions.model_validate(options)
    return "; ".join(error["msg"] for error in caught.value.errors(include_input=False))


def test_what_is_not_set_is_captured_whole() -> None:
    assert TableOptions().set_ones == {}
    assert TableOptions(before="full", operations=["insert", "update", "delete", "truncate"]).set_ones == {}


def test_what_differs_from_its_default_is_told_and_read_again() -> None:
    options = TableOptions(before="key", columns=ColumnRules(include=[], mask={"email": "***"}), audit=["statement"])
    assert options.set_ones == {
        "before": "key",
        "columns": {"include": [], "mask": {"email": "***"}},
        "audit": ["statement"],
    }
    assert TableOptions.model_validate(options.set_ones) == options


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"exclude": ["a"], "mask": {"a": ""}}, "column a is named twice"),
        ({"hash": ["a", "a"]}, "column a is named twice"),
        ({"hash": ["b"], "truncate": {"b": 1}}, "column b is named twice"),
        ({"truncate": {"a": -1}}, "greater than or equal to 0"),
        ({"mask": {"a": "\0"}}, "NUL"),
        ({"hide": ["a"]}, "not permitted"),
    ],
)
def test_columns_that_cannot_be_meant_are_refused(columns: dict[str, Any], said: str) -> None:
    assert said in problem(columns=columns)


@pytest.mark.parametrize(
    "options",
    [
        {"before": "old"},
        {"after": "none"},
        {"operations": []},
        {"operations": ["upsert"]},
        {"operations": ["truncate"]},
        {"operations": ["truncate", "truncate"]},
        {"where": ""},
        {"where": "NEW.a = '\0'"},
        {"audit": ["values"]},
    ],
)
def test_other_options_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    assert problem(**options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("after", "key"),
        ("audit", True),
        ("before", "changed"),
        ("before", "key"),
        ("columns", {"exclude": ["a"]}),
        ("context", False),
        ("outbox", True),
        ("where", "true"),
    ],
)
def test_whole_statements_do_not_go_with_what_is_looked_at_or_written_row_by_row(name: str, value: object) -> None:
    said = problem(level="statement", **{name: value})
    assert said == f'Value error, level = "statement" does not go with {name}: leave out one of them'


def test_whole_statements_go_with_other_options() -> None:
    options = TableOptions(
        level="statement", before="none", skip_unchanged=True, only_when=["a"], operations=["insert"]
    )
    assert options.level == "statement"


def test_operations_are_in_one_order_each_once() -> None:
    assert TableOptions(operations=["delete", "insert", "delete"]).operations == ["insert", "delete"]


def test_a_column_that_is_included_may_be_covered_too() -> None:
    rules = ColumnRules(include=["id", "email"], mask={"email": "***"}, hash=["ssn"])
    assert rules.named == ("id", "email", "ssn")


def test_the_last_rule_that_sets_an_option_counts_for_it() -> None:
    options = merged([{"before": "none", "audit": True}, {"before": "key"}, {"skip_unchanged": True}])
    assert options == TableOptions(before="key", audit=True, skip_unchanged=True)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"mask": {"a": "x"}}, {"hash": ["b"]}, {"mask": {"a": "x"}, "hash": ["b"]}),
        ({"mask": {"a": "x", "b": "y"}}, {"hash": ["b"]}, {"mask": {"a": "x"}, "hash": ["b"]}),
        ({"hash": ["a"]}, {"hash": ["b"]}, {"hash": ["b"]}),
        ({"exclude": ["a"]}, {"include": ["b"]}, {"include": ["b"]}),
        ({"include": ["a", "b"]}, {"exclude": ["b"]}, {"include": ["a"]}),
        ({"include": ["a"]}, {"mask": {"a": "x"}}, {"include": ["a"], "mask": {"a": "x"}}),
        ({"include": []}, {}, {"include": []}),
    ],
    ids=["others-add-up", "one-column-is-taken-over", "one-list", "include", "exclude", "include-and-mask", "nothing"],
)
def test_members_of_columns_are_options_of_their_own(
    first: dict[str, Any], second: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merged([{"columns": first}, {"columns": second}]).columns == ColumnRules.model_validate(expected)


def test_rules_that_do_not_go_together_are_refused_together() -> None:
    with pytest.raises(ValidationError, match="named twice"):
        merged([{"columns": {"hash": ["a"], "exclude": ["a"]}}])


def test_of_columns_either_those_that_are_sent_are_named_or_those_that_are_not() -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        TableRule.model_validate({"match": "orders", "columns": {"include": ["a"], "exclude": ["b"]}})
