"""What an object mapping keeps out of the records of a table that was altered since the mapping was made. Pure.

A mapping names tables and columns as they were when `forwarder migrate` saw them. What it excludes stays excluded when

1. the column was renamed: ``exclude-columns`` has ``phone``, and the table calls it ``tel``;
2. the table was renamed, and no mapping is for its new name;
3. nothing is known of a column but its name: it may be one that was renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from forwarder.config.table_mappings.object_mapping import ObjectMapping
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.events import CapturedTable, Column


def mapping_of(mappings: TableMappings, table: CapturedTable) -> ObjectMapping | None:
    """The object mapping of a table, which excludes columns under all names that they have had; None: no rule is for it."""
    found = mappings.object_mapping(table.schema, table.name)
    former = mappings.object_mapping(*table.migrated_as) if table.migrated_as else None
    exclude = frozenset().union(*(mapping.exclude for mapping in (found, former) if mapping))
    if not exclude:
        return found
    mapping = found or (former and ObjectMapping(rule_id=former.rule_id, shape="record"))
    return mapping and mapping.excluding(names_of_excluded(table.columns, exclude))


def names_of_excluded(columns: Sequence[Column], exclude: frozenset[str]) -> frozenset[str]:
    """All names by which images of a table may call the columns that ``exclude`` names."""
    return exclude.union(_other_names(columns, exclude))


def _other_names(columns: Sequence[Column], exclude: frozenset[str]) -> Iterator[str]:
    """The names by which images may call excluded columns, beside those that the mapping has."""
    gone = {column.name for column in columns if column.is_gone}
    for column in columns:
        if column.type is None or not exclude.isdisjoint(column.former):
            yield column.name
        elif column.name in exclude:
            # Rows of before it got the name.
            yield from gone.intersection(column.former)
