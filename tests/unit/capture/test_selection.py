"""Which tables a selection chooses."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from forwarder.capture.options import settle
from forwarder.capture.selection import Pattern, Rule, choose
from forwarder.errors import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    relation: int
    schema: str
    name: str
    ancestors: tuple[int, ...] = ()


def tables(*names: str) -> list[Candidate]:
    pairs = [name.split(".", 1) if "." in name else ["public", name] for name in names]
    return [Candidate(relation=number, schema=schema, name=name) for number, (schema, name) in enumerate(pairs)]


def rule(match: str, *, exclude: tuple[str, ...] = (), before: str = "full") -> Rule:
    return Rule(match=Pattern(match), exclude=tuple(map(Pattern, exclude)), options={"before": before})


def chosen(candidates: list[Candidate], *rules: Rule | str, exclude: tuple[str, ...] = ()) -> dict[str, str]:
    applied = [rule(each) if isinstance(each, str) else each for each in rules]
    choice = choose(candidates, applied, exclude=[Pattern(pattern) for pattern in exclude])
    return {f"{table.schema}.{table.name}": settle(table, applied, None).options.before for table in choice}


SHOP = tables("orders", "order_items", "Orders", "audit", "sales.orders", "a.b.c")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("orders", ["public.orders"]),
        ("public.orders", ["public.orders"]),
        ("sales.*", ["sales.orders"]),
        ("*.orders", ["public.orders", "sales.orders"]),
        ("order?", ["public.orders"]),
        ("?rders", ["public.Orders", "public.orders"]),
        ("*", ["public.Orders", "public.audit", "public.order_items", "public.orders"]),
        ('a."b.c"', ["a.b.c"]),
        ("p*.*s", ["public.Orders", "public.order_items", "public.orders"]),
        ('"public"."orders"', ["public.orders"]),
    ],
)
def test_a_pattern_chooses_what_it_names(pattern: str, names: list[str]) -> None:
    assert list(chosen(SHOP, pattern)) == names


@pytest.mark.parametrize(
    "name", ["with space", 'with"quote', "with*star", "with[bracket]", "dotted.name", "new\nline", "ünïcode", "$"]
)
def test_quotes_make_every_name_possible(name: str) -> None:
    candidates = [Candidate(relation=99, schema="odd.schema", name=name), *SHOP]
    pattern = '"odd.schema"."{}"'.format(name.replace('"', '""'))
    assert list(chosen(candidates, pattern)) == [f"odd.schema.{name}"]


def test_a_wildcard_in_quotes_is_a_character() -> None:
    with pytest.raises(Misconfigured, match="matches no table"):
        chosen(SHOP, '"order*"')


@pytest.mark.parametrize("pattern", ["", ".", "a.", ".a", "a.b.c", '"a', 'a"b', '""', 'a."b"c'])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(Misconfigured, match="malformed"):
        Pattern(pattern)


def test_the_order_of_rules_and_tables_does_not_show_in_the_order_of_the_choice() -> None:
    expected = ["public.audit", "public.orders", "sales.orders"]
    assert list(chosen(SHOP, "sales.orders", "orders", "audit")) == expected
    assert list(chosen(SHOP[::-1], "audit", "*.orders")) == expected


def test_the_last_rule_that_applies_decides() -> None:
    rules = [
        rule("*", before="none"),
        rule("orders"),
        rule("audit", exclude=("audit",), before="full"),
        rule("aud*", before="none"),
    ]
    assert chosen(SHOP, *rules) == {
        "public.Orders": "none",
        "public.audit": "none",
        "public.order_items": "none",
        "public.orders": "full",
    }


def test_a_rules_own_exclusion_leaves_the_table_to_other_rules() -> None:
    assert chosen(SHOP, rule("*", exclude=("orders",), before="none"), "orders")["public.orders"] == "full"


def test_exclusion_wins_over_every_rule() -> None:
    assert list(chosen(SHOP, "*", "orders", "audit", exclude=("orders", "aud*"))) == [
        "public.Orders",
        "public.order_items",
    ]


def test_an_exclusion_may_match_nothing() -> None:
    assert chosen(SHOP, "orders", exclude=("absent",)) == {"public.orders": "full"}


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("ordres", "did you mean 'public.orders'"),
        ("publik.*", r"did you mean 'public\.\*'"),
        ("warehouse", "known: a.b.c, public.Orders"),
        ("order_itens", "did you mean 'public.order_items'"),
        ("sales.order", "did you mean 'sales.orders'"),
        ("shop.audits", "did you mean 'public.audit'"),
    ],
)
def test_a_pattern_without_a_match_is_refused_with_the_nearest_name(pattern: str, hint: str) -> None:
    with pytest.raises(Misconfigured, match=f"{pattern.replace('*', '.*')}.*matches no table; .*{hint}"):
        chosen(SHOP, "orders", pattern)


def test_the_names_shown_for_want_of_a_near_one_are_few() -> None:
    with pytest.raises(Misconfigured) as error:
        chosen(tables(*(f"table_{number}" for number in range(1000))), "warehouse")
    assert len(str(error.value)) < 250


def test_an_empty_database_is_said_to_be_empty() -> None:
    with pytest.raises(Misconfigured, match="no table that can be captured"):
        chosen([], "*")


PARENT = Candidate(relation=1, schema="public", name="part")
LEAVES = [Candidate(relation=relation, schema="public", name=f"part_{relation}", ancestors=(1,)) for relation in (2, 3)]


def test_a_partition_of_a_chosen_table_is_covered_by_it() -> None:
    assert list(chosen([PARENT, *LEAVES], "*")) == ["public.part"]


def test_a_partition_alone_can_be_chosen() -> None:
    assert list(chosen([PARENT, *LEAVES], "part_2")) == ["public.part_2"]


def test_partitions_are_chosen_by_themselves_when_their_parent_is_excluded() -> None:
    assert list(chosen([PARENT, *LEAVES], "*", exclude=("part",))) == ["public.part_2", "public.part_3"]


def test_leaving_out_a_partition_of_a_chosen_table_is_refused() -> None:
    for rules, exclude in ((["*"], ("part_2",)), ([rule("*", exclude=("part_2",))], ())):
        with pytest.raises(Misconfigured, match="part_2 is excluded, but"):
            chosen([PARENT, *LEAVES], *rules, exclude=exclude)
