"""What the options of each table are, and which rule has set each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from forwarder.capture.options import settle
from forwarder.capture.selection import Pattern, Rule
from forwarder.config.table_options import TableOptions
from forwarder.errors import Misconfigured


@dataclass(frozen=True)
class Named:
    schema: str = "public"
    name: str = "orders"
    relation: int = 1
    ancestors: tuple[int, ...] = ()


def rule(pattern: str, **options: Any) -> Rule:
    return Rule(match=Pattern(pattern), options=options)


def test_where_rules_overlap_the_last_that_matches_wins_per_option() -> None:
    rules = [rule("public.*", before="key", audit=True), rule("orders", before="none"), rule("items", before="full")]
    settled = settle(Named(), rules, None)
    assert settled.options == TableOptions(before="none", audit=True)
    assert settled.origins == {"before": "orders", "audit": "public.*"}


def test_each_option_is_told_with_the_rule_that_has_set_it() -> None:
    rules = [
        rule("public.*", columns={"mask": {"email": "*"}}, operations=["insert", "delete"]),
        rule("orders", columns={"hash": ["ssn"]}, where="NEW.note <> 'a \"b\"'", skip_unchanged=True),
    ]
    assert settle(Named(), rules, None).words == [
        'where = "NEW.note <> \'a \\"b\\"\'" (by orders)',
        'operations = ["insert", "delete"] (by public.*)',
        "skip_unchanged = true (by orders)",
        'columns.mask = { email = "*" } (by public.*)',
        'columns.hash = ["ssn"] (by orders)',
    ]


def test_a_table_of_which_no_rule_says_anything_keeps_what_it_has() -> None:
    standing = TableOptions(before="none")
    selected = Rule(match=Pattern("public.*"))
    assert settle(Named(), [selected, rule("items", before="key")], standing).options == standing
    assert settle(Named(), [selected], None).options == TableOptions()


def test_a_rule_that_sets_nothing_gives_the_defaults() -> None:
    assert settle(Named(), [rule("orders")], TableOptions(before="none")).options == TableOptions()


def test_rules_that_do_not_go_together_are_named_with_their_table() -> None:
    rules = [rule("public.*", columns={"hash": ["a", "a"]}), rule("orders", columns={"mask": {"b": "*"}})]
    with pytest.raises(
        Misconfigured, match=r"public\.orders: column a is named twice.*\(rules public\.\* and orders\)"
    ):
        settle(Named(), rules, None)
