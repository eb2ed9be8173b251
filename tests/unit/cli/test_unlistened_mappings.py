"""Which mapping files `migrate` warns of, because `listen` would make other records than their rules say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forwarder.cli.unlistened_mappings import unlistened
from tests.mapped import mappings_of, object_mapping, selection, transformation

ABOUT_RECORDS = [
    transformation("rename", "public.a.nm", value="NM"),
    transformation("rename", "public", "schema", value="crm"),
    transformation("add-before-image-columns", "public.a", before_image_def={"column-filter": "all"}),
    object_mapping("public.a", "map-record-to-document"),
    object_mapping("public.a", parameters={"partition_key_type": "schema-table"}),
    object_mapping("public.a", target_table_name="A"),
]
FOR_TRIGGERS = [
    transformation("remove-column", "public.a.ssn"),
    object_mapping("public.a"),
]


@pytest.mark.parametrize("rule", ABOUT_RECORDS)
def test_rules_about_records_are_warned_of_where_the_settings_name_no_file(rule: dict[str, Any]) -> None:
    said = unlistened(mappings_of(selection("public.%"), rule), path=Path("m.json"), in_settings=None)
    assert said
    assert "rule-id 2" in said
    assert 'write table_mappings = "m.json" in forwarder.toml' in said


def test_another_file_in_the_settings_is_named() -> None:
    said = unlistened(
        mappings_of(selection("public.%"), ABOUT_RECORDS[0]), path=Path("m.json"), in_settings=Path("other.json")
    )
    assert said
    assert "they name other.json" in said


@pytest.mark.parametrize("rule", FOR_TRIGGERS)
def test_rules_that_triggers_carry_out_need_no_listener(rule: dict[str, Any]) -> None:
    assert unlistened(mappings_of(selection("public.%"), rule), path=Path("m.json"), in_settings=None) is None


def test_a_file_that_the_settings_name_is_not_warned_of() -> None:
    mappings = mappings_of(selection("public.%"), ABOUT_RECORDS[0])
    assert unlistened(mappings, path=Path("m.json"), in_settings=Path("./m.json")) is None
