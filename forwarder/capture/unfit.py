"""Finds tables that the options which they are to be captured by do not fit. Pure.

Example: the digits of ``card`` are to be covered, and ``card`` has become an integer. Such a table keeps the triggers that it has, or gets none,
and no other table waits for it. Whether that is an error depends on who asks for these options:

1. A rule that selects the table: an error, since the user's files say what cannot be done.
2. The registry alone: a warning, since nothing in the user's files speaks of the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forwarder.capture.tables import Registered, Table, rows_of
from forwarder.capture.trigger_plan import plan
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.config.table_options import TableOptions
from forwarder.errors import Misconfigured


def unfit(
    tables: Sequence[Table],
    registry: Sequence[Registered],
    unselected: Mapping[int, TableOptions],
    mappings: TableMappings | None,
) -> dict[int, str]:
    """Those of the captured, ``unselected`` tables, by oid, and what is to be said of each. ``mappings``: None if there is no such file."""
    rows = rows_of(tables, registry)
    found: dict[int, str] = {}
    for table in tables:
        options = unselected.get(table.relation)
        try:
            if options is not None:
                require_fit(table, rows.get(table.relation), options, mappings)
        except Misconfigured as error:
            found[table.relation] = (
                f"{error}; no rule selects the table any more, and its capture is left as it is: select it with options that fit,"
                " or end it by --remove"
            )
    return found


def require_fit(table: Table, row: Registered | None, options: TableOptions, mappings: TableMappings | None) -> None:
    """See that the table can have triggers by these options, and that no column of it is sent because no rule knows its new name.

    Raises:
        Misconfigured: it cannot, or something would be.
    """
    plan([table], [row] if row else [], {table.relation: options}, prune=False)
    if row and mappings:
        _require_excluded(table, row, mappings)


def _require_excluded(table: Table, row: Registered, mappings: TableMappings) -> None:
    """See that what an object mapping kept out of the records of a table that was renamed stays out, or that another one is for its new name."""
    if (row.schema, row.name) == (table.schema, table.name) or mappings.object_mapping(table.schema, table.name):
        return
    former = mappings.object_mapping(row.schema, row.name)
    if former and former.exclude:
        raise Misconfigured(
            f"{table.quoted} was {row.quoted}, of which rule-id {former.rule_id} of {mappings.source} excludes"
            f" {', '.join(sorted(former.exclude))}, and no object mapping is for the new name; write one, with the same exclude-columns or with"
            " none to send them all"
        )
