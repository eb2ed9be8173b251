"""Rules about the records of a table have to go together for the columns that it has."""

from __future__ import annotations

from typing import Any

import pytest

from forwarder.config.table_mappings.columns import MappedTable
from forwarder.errors import Misconfigured
from tests.mapped import mappings_of, object_mapping, selection, transformation

TABLE = MappedTable(schema="public", name="person", columns=("id", "name", "ssn", "BI_name"), key=("id",))


def problem(*rules: dict[str, Any]) -> str:
    with pytest.raises(Misconfigured) as raised:
        mappings_of(selection(), *rules).require_sound(TABLE)
    return str(raised.value)


def before_image(column_filter: str, **members: str) -> dict[str, Any]:
    defined = {"column-filter": column_filter, **members}
    return transformation("add-before-image-columns", "public.person", before_image_def=defined)


def test_an_old_value_may_not_have_the_name_of_a_column() -> None:
    assert problem(before_image("all")) == (
        "rule-id 2 adds the old value of column name of public.person as BI_name, which column BI_name is called; give before-image-def another"
        " column-prefix"
    )
    to_upper = transformation("convert-uppercase", "public.person.%")
    assert "column name of public.person as BI_NAME, which column BI_name is" in problem(to_upper, before_image("all"))
    assert "as BI_id, which column ssn is" in problem(
        transformation("rename", "%.%.ssn", value="BI_id"), before_image("pk-only")
    )
    for rule in (before_image("pk-only"), before_image("all", **{"column-prefix": "OLD_"})):
        mappings_of(selection(), rule).require_sound(TABLE)


REMOVED = transformation("remove-column", "%.%.ssn")
MADE_OF_IT: list[dict[str, Any]] = [
    {"attribute_mappings": [{"target-attribute-name": "a", "value": {"b": "${name} ${ssn}"}}]},
    {"partition_key_type": "attribute-name", "partition_key_name": "ssn"},
]


@pytest.mark.parametrize("parameters", MADE_OF_IT)
def test_no_part_of_a_record_is_made_of_a_column_that_is_not_sent(parameters: dict[str, Any]) -> None:
    mapping = object_mapping("public.person", parameters=parameters)
    assert problem(REMOVED, mapping).startswith(
        "rule-id 3 makes a record or its partition key of column ssn of public.person, which rule-id 2 removes, so that it is not sent"
    )
    included = transformation("include-column", "public.person.name")
    assert "of column ssn of public.person, which no include-column rule names" in problem(included, mapping)
    mappings_of(selection(), mapping).require_sound(TABLE)


def test_a_column_that_is_not_sent_may_be_excluded_too() -> None:
    mapping = object_mapping("public.person", parameters={"exclude_columns": ["ssn"]})
    mappings_of(selection(), REMOVED, mapping).require_sound(TABLE)
