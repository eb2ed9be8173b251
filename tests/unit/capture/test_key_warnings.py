"""What `forwarder migrate` says of keys that promise less than others."""

from __future__ import annotations

from forwarder.capture.key_warnings import key_warnings
from forwarder.capture.tables import AmbiguousColumn, Table

EMAIL = AmbiguousColumn(name="email", type="citext", collation=None)
CODE = AmbiguousColumn(name="code", type="text", collation="ignore_case")


def table(name: str = "orders", *columns: AmbiguousColumn, deferrable: bool = False) -> Table:
    return Table(
        relation=100,
        schema="public",
        name=name,
        quoted=f"public.{name}",
        ancestors=(),
        columns={1: "id"},
        has_primary_key=True,
        key=(1,),
        scalars=frozenset(),
        texts=frozenset(),
        uniform=True,
        key_is_deferrable=deferrable,
        ambiguous_key_columns=columns,
        members=(),
        triggers=(),
    )


def test_an_ordinary_key_is_no_reason_to_warn() -> None:
    assert key_warnings([table()]) == ()


def test_columns_are_named_with_what_makes_them_ambiguous() -> None:
    (line,) = key_warnings([table("users", EMAIL), table(), table("parts", CODE)])
    assert "in public.users (email citext), public.parts (code text with collation ignore_case): " in line
    assert "partition_key=table" in line


def test_a_deferrable_key_is_named_with_its_remedy() -> None:
    (line,) = key_warnings([table(), table("seats", deferrable=True)])
    assert "DEFERRABLE in public.seats: " in line
    assert "NOT DEFERRABLE" in line


def test_a_thousand_tables_of_two_kinds_are_two_lines() -> None:
    ambiguous, deferrable = key_warnings([table(f"t{number}", EMAIL, deferrable=True) for number in range(1000)])
    assert "public.t4 (email citext) and 995 more: " in ambiguous
    assert "public.t0, public.t1, public.t2, public.t3, public.t4 and 995 more: " in deferrable
