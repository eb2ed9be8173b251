"""The rules for tables that come later, as the database is to have them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forwarder.capture.selection import Pattern, Rule
from forwarder.capture.table_rules import StoredRule, WriteRules, read, stored
from forwarder.capture.trigger_set import CAPTURE, TRUNCATE


def stored_one(**options: Any) -> StoredRule:
    (rule,) = stored([Rule(match=Pattern("public.*"), options=options)])
    return rule


@pytest.mark.parametrize(
    ("pattern", "expressions"),
    [
        ("orders", ("^public$", "^orders$")),
        ("sales.*", ("^sales$", "^.*$")),
        ("s?les.log_*", ("^s.les$", r"^log\_.*$")),
        ('"my.schema"."Order *"', (r"^my\.schema$", r"^Order\ \*$")),
        ('public."a""b"', ("^public$", r"^a\"b$")),
        ("public.größe(1)", ("^public$", r"^größe\(1\)$")),
    ],
)
def test_a_pattern_is_a_regular_expression_of_the_whole_name(pattern: str, expressions: tuple[str, str]) -> None:
    assert Pattern(pattern).expressions == expressions


def test_a_rule_that_says_nothing_of_how_leaves_it_to_the_others() -> None:
    (rule,) = stored([Rule(match=Pattern("a"), exclude=(Pattern("b.c"),), options={})])
    assert rule == StoredRule(schema_pattern="^public$", table_pattern="^a$", excluded=(("^b$", "^c$"),))


def test_options_that_are_the_same_for_every_table_bring_their_triggers() -> None:
    rule = stored_one(before="none", where="NEW.id > 1", audit=True)
    assert rule.before == "none"
    assert json.loads(rule.options or "") == {"before": "none", "where": "NEW.id > 1", "audit": True}
    names = [trigger["name"] for trigger in json.loads(rule.triggers or "")]
    assert names[0] == CAPTURE
    assert names[-1] == TRUNCATE


@pytest.mark.parametrize(
    "options",
    [
        {"columns": {"exclude": ["a"]}},
        {"columns": {"include": []}},
        {"columns": {"mask": {"a": "*"}}},
        {"columns": {"hash": ["a"]}},
        {"columns": {"truncate": {"a": 1}}},
        {"only_when": ["a"]},
        {"before": "key"},
        {"before": "changed"},
        {"after": "key"},
        {"outbox": True},
    ],
)
def test_options_that_have_to_be_worked_out_for_each_table_bring_none(options: dict[str, Any]) -> None:
    assert stored_one(**options).triggers is None
    assert stored_one(**options).options is not None


def test_a_rule_that_was_written_is_read_as_the_same_whatever_spaces_the_database_puts() -> None:
    rule = stored_one(before="none")
    text = json.dumps(
        {
            "schema_pattern": rule.schema_pattern,
            "table_pattern": rule.table_pattern,
            "excluded": [],
            "options": json.dumps(json.loads(rule.options or ""), separators=(" ,", ":  ")),
            "before": "none",
            "triggers": json.dumps(json.loads(rule.triggers or "")[::1], indent=1),
        }
    )
    assert read(text) == rule


def test_no_rule_leaves_the_table_empty_and_quotes_are_written_as_such() -> None:
    assert WriteRules(rules=()).sql == "DELETE FROM forwarder.table_rule;"
    (rule,) = stored([Rule(match=Pattern('"it\'s"'), options={"where": r"NEW.a = '\'"})])
    sql = WriteRules(rules=(rule,)).sql
    assert r"E'^it\\''s$'" in sql
    assert hash(WriteRules(rules=(rule,))) == hash(WriteRules(rules=(rule,)))
