"""Finds tables that should be captured and are not, since somebody has switched our triggers off or created the table anew; and warns of them."""

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
# A look at 7,000 triggers takes the database 0.2 s. So that looks take no more than this part of the time, the pause after one grows with how long
# it took: from 30 s to 60 s.
_LOOKS_PART = 0.01
LOOK_SECONDS = 30.0
MAX_LOOK_SECONDS = 60.0
# A look locks this table while it is at work. If somebody else has it locked, the look gives up after the time in 0025_lockless.sql.
_LOCKED = "forwarder.watched_trigger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncaptured:
    """A table or partition that is not captured. ``flaw`` ``truncate``: only a TRUNCATE of it would not be."""

    schema_name: str
    table_name: str
    flaw: Literal["disabled", "missing", "truncate"]

    def __str__(self) -> str:
        return f"{self.schema_name}.{self.table_name}"


async def look_at_triggers(connection: Connection) -> Sequence[Uncaptured]:
    """The tables that are not captured now. A gap is put into the changes of each that has become one, or is none any more.

    Raises:
        Refused: the schema is older than this program, or not ours to read.
        Unavailable: the database does not answer, or somebody holds a lock; nothing is written then.
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
