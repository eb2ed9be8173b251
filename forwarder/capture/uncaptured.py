"""Tables that should be captured and are not, because somebody has switched our triggers off or made the table anew; what to tell the operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import asyncpg

from forwarder.capture.texts import listed
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Unavailable

REMEDY = "run `forwarder migrate`"
# A look at 7,000 triggers takes the database a fifth of a second. The more there are, the longer from one look to the next.
LOOK_SECONDS = 30.0
MAX_LOOK_SECONDS = 60.0
_LOOKS_PART = 0.01
# What a look has locked while it is at work, and so waits for, as long as 0025_lockless.sql says.
_LOCKED = "forwarder.watched_trigger"


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
        Refused: the schema is older than this program, or not ours to read.
        Unavailable: the database does not answer, or somebody is in the way; nothing is put anywhere then.
    """
    with database_errors("cannot look at the triggers of captured tables"):
        try:
            return [Uncaptured(**row) for row in await connection.fetch(query("watch_triggers"))]
        except asyncpg.LockNotAvailableError as error:
            raise Unavailable(
                f"cannot look at the triggers of captured tables: {await _obstacle(connection)}"
            ) from error


def seconds_to_next_look(took_seconds: float) -> float:
    """How long to wait after a look that took so long."""
    return min(max(LOOK_SECONDS, took_seconds / _LOOKS_PART), MAX_LOOK_SECONDS)


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
            f"changes are missed: {_names(missing)} was created anew, or our trigger was dropped or renamed; {REMEDY}, and compare with"
            " what the stream has"
        )
    if partial:
        lines.append(
            f"a TRUNCATE of {_names(partial)} alone would be missed, since it came later than its trigger; {REMEDY}"
        )
    return lines


def _names(tables: Sequence[Uncaptured]) -> str:
    return listed(sorted({f"{table}" for table in tables}))


async def _obstacle(connection: Connection) -> str:
    is_exclusive = False
    found = await connection.fetchrow(query("lock_conflicts"), _LOCKED, is_exclusive)
    if found is None:
        return f"{_LOCKED} or forwarder.outbox was locked"
    return (
        f"{_LOCKED} is locked ({found['mode']}) by pid {found['pid']} ({found['application']}) since {found['since']}"
    )
