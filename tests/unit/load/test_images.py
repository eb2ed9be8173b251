"""The SQL that makes the image of a row."""

from __future__ import annotations

from dataclasses import replace

from forwarder.load.images import Needs, careful_image, image, key_image

PLAIN = Needs(is_plain=True, max_bytes=100, columns=("note", "id", "mood"))
RULED = replace(PLAIN, rules={"columns": {"note": {"mask": "it's"}, "id": {"key": 1, "hash": True}, "mood": {}}})


def test_a_row_that_nothing_has_to_see_to_is_made_by_postgresql() -> None:
    assert image(PLAIN) == "row_to_json(NEW.*)::text"
    assert PLAIN.lasts
    assert PLAIN.extra is None


def test_an_enum_is_written_without_a_cast() -> None:
    needs = replace(PLAIN, enums=("mood",))
    assert image(needs) == (
        "(SELECT row_to_json(listed.*)::text FROM"
        ' (SELECT NEW."note" AS "note", NEW."id" AS "id", CASE WHEN NEW."mood" IS NOT NULL THEN concat(NEW."mood") END AS "mood") AS listed)'
    )
    assert not needs.lasts


def test_the_key_goes_first_and_values_are_treated_as_the_rules_say() -> None:
    assert image(RULED) == (
        "(SELECT row_to_json(listed.*)::text FROM (SELECT"
        """ forwarder.treated_value(to_json(NEW."id"), '{"hash": true}') AS "id","""
        """ forwarder.treated_value(to_json(NEW."note"), '{"mask": "it''s"}') AS "note","""
        ' NEW."mood" AS "mood") AS listed)'
    )
    assert 'page.k1), \'{"hash": true}\') AS "id")' in key_image({"id": "page.k1"}, RULED)
    assert key_image({}, RULED) == "NULL::text"


def test_of_an_image_that_is_the_key_alone_nothing_else_is_made() -> None:
    assert RULED.rules is not None
    assert '"note"' not in image(replace(RULED, rules={**RULED.rules, "after": "key"}))


def test_a_column_that_the_rules_do_not_know_is_withheld_and_one_that_they_drop_is_not_mentioned() -> None:
    needs = replace(PLAIN, rules={"columns": {"id": {"key": 1}, "mood": {"drop": True}}})
    assert needs.extra == '"withheld":["note"]'
    assert image(needs) == '(SELECT row_to_json(listed.*)::text FROM (SELECT NEW."id" AS "id") AS listed)'


def test_a_load_of_some_columns_has_the_key_and_what_the_rules_let_through() -> None:
    assert image(PLAIN.of_columns(("mood",), ("id",))) == (
        '(SELECT row_to_json(listed.*)::text FROM (SELECT NEW."id" AS "id", NEW."mood" AS "mood") AS listed)'
    )
    narrowed = image(RULED.of_columns(("note",), ("id",)))
    assert "mask" in narrowed
    assert "hash" in narrowed
    assert '"mood"' not in narrowed
    assert PLAIN.of_columns(("mood",), ("id",)).extra is None


def test_rows_that_may_run_somebodys_code_are_left_to_a_function() -> None:
    needs = replace(RULED, is_plain=False, strange_types=(0, 17000))
    made = careful_image(needs, 4711, ())
    assert made.startswith('forwarder.row_image(NEW.*, 4711::oid, \'{"columns"')
    assert made.endswith("::jsonb, '{0,17000}'::oid[], NULL::text)")
