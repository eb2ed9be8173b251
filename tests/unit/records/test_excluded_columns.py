from __future__ import annotations

import pytest
from msgspec.structs import replace

from forwarder.events import CapturedTable, Column, ColumnType
from forwarder.records.excluded_columns import mapping_of
from tests.mapped import mappings_of, object_mapping, selection
from tests.support import events

TEXT = ColumnType("pg_catalog", "text", "b", -1, is_array=False)
EXCLUDES_PHONE = object_mapping("public.person", parameters={"exclude_columns": ["phone"]})
PERSON = events.table("person", Column("id", TEXT), Column("phone", TEXT))


def excluded(table: CapturedTable) -> set[str]:
    mapping = mapping_of(mappings_of(selection(), EXCLUDES_PHONE), table)
    return set(mapping.exclude) if mapping else set()


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ([Column("tel", TEXT, former=("phone",)), Column("phone", TEXT, is_gone=True)], {"phone", "tel"}),
        # Another column has the name now.
        ([Column("tel", TEXT, former=("phone",)), Column("phone", TEXT)], {"phone", "tel"}),
        # The mapping has the new name, and rows are under way that have the old one.
        (
            [Column("phone", TEXT, former=("tel", "id")), Column("tel", TEXT, is_gone=True), Column("id", TEXT)],
            {"phone", "tel"},
        ),
        # Renamed twice before anybody looked.
        ([Column("number", TEXT), Column("tel", is_gone=True)], {"phone", "tel"}),
        ([Column("id", TEXT), Column("name", TEXT, former=("title",))], {"phone"}),
    ],
)
def test_an_excluded_column_stays_so_whatever_it_is_called(columns: list[Column], names: set[str]) -> None:
    assert excluded(replace(PERSON, columns=tuple(columns))) == names


def test_the_columns_of_a_table_that_was_renamed_stay_excluded() -> None:
    assert excluded(replace(PERSON, name="people", migrated_as=("public", "person"))) == {"phone"}
    assert excluded(replace(PERSON, name="people")) == set()
