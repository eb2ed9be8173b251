"""What becomes of each column on its way to the outbox."""

from __future__ import annotations

from typing import Any

import pytest

from forwarder.capture.columns import known_columns, require_columns, treatments
from forwarder.capture.tables import KeyColumn, Registered, Table
from forwarder.config.table_options import TableOptions
from forwarder.errors import Misconfigured

DROPPED = {"drop": True}


def table(*columns: str, name: str = "person", relation: int = 100, texts: tuple[str, ...] = ()) -> Table:
    """A table whose first column is its key. Columns have numbers from 1 on; a column "" was dropped."""
    numbered = {number: column for number, column in enumerate(columns, start=1) if column}
    return Table(
        relation=relation,
        schema="public",
        name=name,
        quoted=f"public.{name}",
        ancestors=(),
        columns=numbered,
        has_primary_key=True,
        key=(1,),
        scalars=frozenset(numbered),
        texts=frozenset(number for number, column in numbered.items() if column in texts),
        uniform=True,
        key_is_deferrable=False,
        ambiguous_key_columns=(),
        members=(),
        triggers=(),
    )


def row(*columns: KeyColumn, relation: int = 100) -> Registered:
    return Registered(
        id=7,
        relation=relation,
        schema="public",
        name="person",
        quoted="public.person",
        key_columns=(),
        active=True,
        options={},
        columns=columns,
    )


def treated(found: Table, *, of: Registered | None = None, **rules: Any) -> dict[str, Any]:
    known = known_columns(found, of)
    options = TableOptions.model_validate({"columns": rules})
    return treatments(found, known, [column for column in known if column.attnum == 1], options)


def test_a_column_that_is_excluded_masked_hashed_or_cut_is_known_by_number_and_name() -> None:
    found = table("id", "a", "b", "c", "d", "e", texts=("d",))
    rules = treated(found, exclude=["a"], mask={"b": "*"}, hash=["c"], truncate={"d": 3})
    assert rules == {
        "relation": 100,
        "names": {"id": {"key": 1}, "a": DROPPED, "b": {"mask": "*"}, "c": {"hash": True}, "d": {"truncate": 3}},
        "numbers": {"1": {"key": 1}, "2": DROPPED, "3": {"mask": "*"}, "4": {"hash": True}, "5": {"truncate": 3}},
        "others": {},
    }


def test_in_a_table_that_came_with_a_dump_columns_are_known_by_the_names_that_they_had_last() -> None:
    former = row(
        KeyColumn(attnum=1, names=("id",)),
        KeyColumn(attnum=4, names=("social", "ssn")),
        KeyColumn(attnum=2, names=("a",)),
        relation=99,
    )
    rules = treated(table("id", "a", "social"), of=former, exclude=["ssn"])
    assert rules["names"] == {"id": {"key": 1}, "social": DROPPED, "ssn": DROPPED}
    assert rules["numbers"] == {"1": {"key": 1}, "3": DROPPED}


def test_of_included_columns_the_key_is_one_and_a_new_one_is_not() -> None:
    rules = treated(table("id", "a", "b"), include=["a"])
    assert rules["names"] == {"id": {"key": 1}, "a": {}}
    assert rules["others"] == DROPPED


def test_a_column_that_is_not_included_is_known_by_its_number_lest_it_be_given_the_name_of_one_that_is() -> None:
    assert treated(table("id", "a", "b"), include=["a"])["numbers"] == {"1": {"key": 1}, "2": {}, "3": DROPPED}


def test_an_included_column_is_covered_where_a_rule_says_so() -> None:
    rules = treated(table("id", "a", "b"), include=["a"], mask={"a": "*", "b": "*"})
    assert rules["names"] == {"id": {"key": 1}, "a": {"mask": "*"}, "b": {"mask": "*"}}


def test_a_renamed_column_is_treated_as_before() -> None:
    earlier = row(KeyColumn(attnum=2, names=("email",)))
    found = table("id", "mail")
    assert known_columns(found, earlier)[1].names == ("mail", "email")
    rules = treated(found, of=earlier, mask={"email": "*"})
    assert rules["names"] == {"id": {"key": 1}, "mail": {"mask": "*"}, "email": {"mask": "*"}}
    assert rules["numbers"]["2"] == {"mask": "*"}


def test_of_the_names_that_a_column_has_had_the_newest_counts_that_a_rule_names() -> None:
    earlier = row(KeyColumn(attnum=2, names=("email",)))
    assert treated(table("id", "mail"), of=earlier, mask={"email": "*"}, hash=["mail"])["numbers"]["2"] == {
        "hash": True
    }


def test_names_of_another_table_that_had_the_row_are_not_those_of_this_one() -> None:
    earlier = row(KeyColumn(attnum=2, names=("email",)), relation=99)
    assert known_columns(table("id", "mail"), earlier)[1].names == ("mail",)


def test_a_column_that_a_table_has_lost_is_covered_when_it_comes_again() -> None:
    assert treated(table("id", ""), exclude=["email"])["names"]["email"] == DROPPED


@pytest.mark.parametrize("rules", [{"exclude": ["id"]}, {"mask": {"id": "*"}}, {"truncate": {"id": 1}}])
def test_the_key_can_be_hashed_and_nothing_else(rules: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=r"column id is part of the key, .* hash it instead"):
        treated(table("id", "a", texts=("id",)), **rules)
    assert treated(table("id", "a"), hash=["id"])["names"]["id"] == {"hash": True, "key": 1}


def test_what_is_no_text_cannot_be_cut_short() -> None:
    with pytest.raises(Misconfigured, match=r"column born is no text, .* mask or hash it"):
        treated(table("id", "born"), truncate={"born": 4})


def test_a_column_that_is_not_there_is_named_with_the_nearest_that_is() -> None:
    with pytest.raises(Misconfigured, match=r"columns.mask of .*'emial', which public.person .* did you mean 'email'"):
        require_columns([table("id", "email")], {"columns.mask": ["emial"]}, is_exact=True, pattern="person")


def test_of_a_glob_one_table_that_has_the_column_is_enough() -> None:
    tables = [table("id", "email"), table("id", name="city", relation=101)]
    require_columns(tables, {"columns.hash": ["email"]}, is_exact=False, pattern="public.*")
    with pytest.raises(Misconfigured, match=r"public\.city"):
        require_columns(tables, {"columns.hash": ["email"]}, is_exact=True, pattern="public.city")
    with pytest.raises(Misconfigured, match="phone"):
        require_columns(tables, {"columns.hash": ["phone"]}, is_exact=False, pattern="public.*")


def test_where_no_table_is_meant_nothing_is_missing() -> None:
    require_columns([], {"columns.hash": ["email"]}, is_exact=True, pattern="person")
