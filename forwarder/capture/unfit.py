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
from forwarder.config.table_options import TableOptions
from forwarder.errors import Misconfigured


def unfit(
    tables: Sequence[Table], registry: Sequence[Registered], unselected: Mapping[int, TableOptions]
) -> dict[int, str]:
    """Those of the captured, ``unselected`` tables, by oid, and what is to be said of each."""
    rows = rows_of(tables, registry)
    found: dict[int, str] = {}
    for table in tables:
        options = unselected.get(table.relation)
        try:
            if options is not None:
                require_fit(table, rows.get(table.relation), options)
        except Misconfigured as error:
            found[table.relation] = (
                f"{error}; no rule selects the table any more, and its capture is left as it is: select it with options that fit,"
                " or end it by --remove"
            )
    return found


def require_fit(table: Table, row: Registered | None, options: TableOptions) -> None:
    """See that the table can have triggers by these options.

    Raises:
        Misconfigured: it cannot.
    """
    plan([table], [row] if row else [], {table.relation: options}, prune=False)
