"""Tables that should be captured and are not, because somebody has switched our triggers off or made the table anew; what to tell the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from forwarder.database import Connection
from forwarder.queries import query
from forwarder.texts import listed

REMEDY = "run `forwarder migrate`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncaptured:
    """A table, or a partition of one. ``truncate``: all but its TRUNCATE is captured."""

    schema_name: str
    table_name: str
    flaw: Literal["disabled", "missing", "truncate"]

    def __str__(self) -> str:
        return f"{self.schema_name}.{self.table_name}"


async def look_at_triggers(connection: Connection) -> Sequence[Uncaptured]:
    """Those there are now. Where a table has become one, or is none any more, a gap is put into its changes.

    Raises:
        asyncpg.PostgresError: as the database says; nothing is put anywhere then.
    """
    return [Uncaptured(**row) for row in await connection.fetch(query("watch_triggers"))]


def warnings(found: Sequence[Uncaptured]) -> Sequence[str]:
    """One line for each kind of flaw: which tables, and what to do."""
    off = [table for table in found if table.flaw == "disabled"]
    missing = [table for table in found if table.flaw == "missing"]
    partial = [table for table in found if table.flaw == "truncate"]
    lines = []
    if off:
        lines.append(
            f"changes are missed: our trigger on {_names(off)} is disabled or altered; {REMEDY}, and compare with what the stream has"
        )
    if missing:
        lines.append(
            f"changes are missed: {_names(missing)} was created anew or has lost our trigger; {REMEDY}, and compare with what the"
            " stream has"
        )
    if partial:
        lines.append(
            f"a TRUNCATE of {_names(partial)} alone would be missed, since it came later than its trigger; {REMEDY}"
        )
    return lines


def _names(tables: Sequence[Uncaptured]) -> str:
    return listed(sorted({f"{table}" for table in tables}))
