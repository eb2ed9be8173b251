"""Refuses tables whose images lack the attribute that a mapping file makes their partition keys of. Pure.

Example: ``partition-key-type`` is ``attribute-name`` with ``region``, and the table is captured with ``before = "key"``. An update would go by the
region and a delete, which has but the key, by the primary key: the delete may be read before updates of its row.
"""

from __future__ import annotations

from forwarder.capture.tables import Table
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.config.table_options import TableOptions
from forwarder.errors import Misconfigured


def require_mapped_key(table: Table, options: TableOptions, mappings: TableMappings) -> None:
    """See that no image is cut down to the key where an object mapping makes the partition key of other columns.

    Raises:
        Misconfigured: one is.
    """
    mapping = mappings.object_mapping(table.schema, table.name)
    cut = next((name for name in ("before", "after") if getattr(options, name) == "key"), None)
    if mapping is None or cut is None or options.outbox:
        return
    if beside := sorted(mapping.key_columns - {table.columns[attnum] for attnum in table.key}):
        raise Misconfigured(
            f'{cut} = "key" leaves out column {beside[0]} of {table.quoted}, of which rule-id {mapping.rule_id} of {mappings.source} makes the'
            f' partition key: changes of a row would not be in order; let {cut} be "full" or "changed", or choose another partition-key-type'
        )
