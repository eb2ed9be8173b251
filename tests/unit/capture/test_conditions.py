"""The conditions of triggers, in SQL."""

from __future__ import annotations

import pytest

from forwarder.capture.conditions import all_of, differs, of_old


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("NEW.a > 1", "OLD.a > 1"),
        ("new.a = New.b", "OLD.a = OLD.b"),
        ("NEW IS NOT NULL AND f(NEW)", "OLD IS NOT NULL AND f(OLD)"),
        ("NEW.new = 1", "OLD.new = 1"),
        ("NEW . new = 1 AND app.new(NEW.a)", "OLD . new = 1 AND app.new(OLD.a)"),
        ("NEW.newest = renewed", "OLD.newest = renewed"),
        ("NEW.a = 'NEW'", "OLD.a = 'NEW'"),
        ("NEW.a = 'it''s NEW'", "OLD.a = 'it''s NEW'"),
        (r"NEW.a = E'\' NEW' AND NEW.b", r"OLD.a = E'\' NEW' AND OLD.b"),
        (r"NEW.a = '\' AND NEW.b <> ''", r"OLD.a = '\' AND OLD.b <> ''"),
        ('NEW."NEW" AND NEW."a"" NEW"', 'OLD."NEW" AND OLD."a"" NEW"'),
        ("NEW.a = $$ NEW $$ AND NEW.b", "OLD.a = $$ NEW $$ AND OLD.b"),
        ("NEW.a = $x$ $$ NEW $$ $x$ AND NEW.b", "OLD.a = $x$ $$ NEW $$ $x$ AND OLD.b"),
        ("NEW.a$new$ = NEW.b$new$", "OLD.a$new$ = OLD.b$new$"),
        ("NEW.a /* NEW */ = 1 -- NEW\n AND NEW.b", "OLD.a /* NEW */ = 1 -- NEW\n AND OLD.b"),
        ("NEW.a /* of /* a */ NEW */ = 1", "OLD.a /* of /* a */ NEW */ = 1"),
        ("NEW.größe > 1", "OLD.größe > 1"),
    ],
)
def test_the_old_row_stands_wherever_the_new_one_did(condition: str, expected: str) -> None:
    assert of_old(condition) == expected


def test_columns_are_compared_as_records_whatever_their_types_and_names() -> None:
    assert differs(["a", 'Odd "name"']) == (
        'ROW(OLD."a", OLD."Odd ""name""")::pg_catalog.record OPERATOR(pg_catalog.*<>)'
        ' ROW(NEW."a", NEW."Odd ""name""")::pg_catalog.record'
    )


def test_what_holds_together_is_kept_apart_whatever_it_ends_with() -> None:
    assert all_of("a OR b", None, "c -- why") == "(a OR b\n) AND (c -- why\n)"
    assert all_of(None) is None
