"""Finds captured tables that were altered so that the options which they are captured by do not fit any more. Pure.

Example: the digits of ``card`` are covered, and ``card`` has become an integer. Where the selection names such a table, that is an error. Where it
does not, nothing in the user's files speaks of the table, and it must not keep the others from being captured: it stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forwarder.capture.tables import Registered, Table
from forwarder.capture.trigger_plan import plan
from forwarder.config.table_options import TableOptions
from forwarder.errors import Misconfigured


def unfit(
    tables: Sequence[Table], registry: Sequence[Registered], unselected: Mapping[int, TableOptions]
) -> dict[int, str]:
    """Those of the captured, ``unselected`` tables, by oid, and what is to be said of each."""
    found: dict[int, str] = {}
    for table in tables:
        options = unselected.get(table.relation)
        rows = [row for row in registry if row.id == table.captured_id or row.relation == table.relation]
        try:
            if options is not None:
                plan([table], rows, {table.relation: options}, prune=False)
        except Misconfigured as error:
            found[table.relation] = (
                f"{error}; no rule selects the table any more, and its capture is left as it is: select it with options that fit,"
                " or end it by --remove"
            )
    return found
