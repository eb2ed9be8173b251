"""Carries out the changes of a plan: each in a transaction of its own, and under locks that no writer has to queue behind for long."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import anyio
import asyncpg

from forwarder.backoff import Backoff
from forwarder.capture.event_triggers import SetEventTriggers
from forwarder.capture.function_definitions import Redefine
from forwarder.capture.leaf_size import LayOut
from forwarder.capture.rights import Rights
from forwarder.capture.trigger_plan import Change, Install, Remove
from forwarder.database.queries import query
from forwarder.database.sessions import LOCK_TIMEOUT_MS, Connection, blockage, database_errors
from forwarder.logs import Throttled

logger = logging.getLogger(__name__)

# How long a table that is locked is tried again.
PATIENCE_SECONDS = 60.0

# A table that is locked: by the time for one lock, or by that for all of a table and its partitions.
_OCCUPIED = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.TransactionRollbackError)
# Errors that concern one table and need not keep us from the others: it was dropped meanwhile, say, an event trigger has refused the change, or its
# `where` is no condition (a subquery in it is a feature that is not supported; a constant of another type, an error of data).
_REFUSALS = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.PLPGSQLError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.DataError,
)


class Report(Protocol):
    """Called with each change that was carried out, or could not be: then ``problem`` says why not, and the remedy."""

    def __call__(self, change: Change, *, problem: str | None = None) -> None: ...


# Called with the table of a change that waits for a lock, and who has it, as far as that is known: ``pid 4711, psql``.
TellWaiting = Callable[[str, str], None]


class Installation:
    """One run of `forwarder migrate` over the tables."""

    def __init__(
        self,
        connection: Connection,
        report: Report,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        tell_waiting: TellWaiting = lambda _table, _holder: None,
    ) -> None:
        """``patience_seconds``: how long a table that is locked is tried again; 0: never."""
        self.failures = 0
        self._connection = connection
        self._report = report
        self._patience_seconds = patience_seconds
        self._tell_waiting = tell_waiting
        self._throttled = Throttled(seconds=10.0)
        self._deadlock_timeout_ms = 0
        self._lock_timeouts_ms: dict[Change, int] = {}

    async def carry_out(self, changes: Sequence[Change]) -> None:
        """Carry the changes out in this order. Those whose tables are locked are tried again after all the others.

        Raises:
            Unavailable: the connection was lost; what was reported as done is done.
        """
        backoff = Backoff(first_seconds=0.2, max_seconds=5.0)
        with database_errors("cannot make the changes"):
            self._deadlock_timeout_ms = await self._connection.fetchval(query("deadlock_timeout"))
            locked = [change for change in changes if not await self._attempt(change)]
            deadline = anyio.current_time() + self._patience_seconds
            while locked and anyio.current_time() < deadline:
                await anyio.sleep(backoff.next())
                locked = [change for change in locked if not await self._attempt(change)]
        for change in locked:
            tried = f"still locked after {self._patience_seconds:g} seconds; run it again in a quieter hour"
            self._fail(change, tried if self._patience_seconds else "it is locked; it is tried again")

    async def _attempt(self, change: Change) -> bool:
        """Try once. Returns False if the table is locked, and it should be tried again; else the change was reported, done or failed."""
        timeout_ms = self._lock_timeouts_ms.get(change, self._lock_timeout_ms)
        try:
            async with self._connection.transaction():
                await self._connection.execute(transaction(change, lock_timeout_ms=timeout_ms))
        except _OCCUPIED:
            await self._explain(change)
            return False
        except asyncpg.InsufficientPrivilegeError as error:
            self._fail(change, f"{error.args[0]}; {await self._remedy(change)}")
        except asyncpg.DependentObjectsStillExistError as error:
            self._fail(change, blockage(error))
        except _REFUSALS as error:
            self._fail(change, " ".join(str(error.args[0]).split()))
        else:
            self._report(change)
        return True

    @property
    def _lock_timeout_ms(self) -> int:
        """How long to wait for a lock: half of deadlock_timeout at most.

        A writer that waits for a lock of ours looks for a deadlock after that time, and if there is one, the writer is undone. So we give up first.
        """
        return min(LOCK_TIMEOUT_MS, self._deadlock_timeout_ms // 2)

    async def _explain(self, change: Change) -> None:
        """Log who is in the way. If it is an autovacuum, wait longer for the lock the next time."""
        # Changes of rights and functions concern several tables, or none: there is no name to look for.
        relation = None if isinstance(change, Rights | Redefine | SetEventTriggers) else change.table
        is_exclusive = isinstance(change, LayOut) or bool(_drops(change))
        obstacle = await self._connection.fetchrow(query("lock_conflicts"), relation, is_exclusive)
        facts = dict(obstacle or {})
        if facts.get("mode") == "ShareUpdateExclusiveLock":
            # An autovacuum steps aside, but only for a session that has waited for it as long as deadlock_timeout.
            self._lock_timeouts_ms[change] = self._deadlock_timeout_ms + self._lock_timeout_ms
        self._tell_waiting(change.table, f"pid {obstacle['pid']}, {obstacle['application']}" if obstacle else "")
        if self._throttled.due(change.table):
            logger.info("waiting for a lock", extra={"table": change.table, **facts})

    async def _remedy(self, change: Change) -> str:
        if isinstance(change, SetEventTriggers):
            return "run as a superuser (rds_superuser)"
        if isinstance(change, Rights | Redefine):
            return "run as the owner of schema forwarder, or as an administrator"
        names = await self._connection.fetchrow(query("owner"), change.table)
        if names and not names["may_use"]:
            return f"run as {names['schema_owner']}: GRANT USAGE ON SCHEMA {names['schema']} TO {names['role']}"
        role, owner = (names["role"], names["owner"]) if names else ("this role", "its owner")
        if isinstance(change, LayOut):
            return f"run as {owner}"
        if drops := _drops(change):
            return f"run as {owner}: {' '.join(drops)}"
        return f"run as {owner}: GRANT TRIGGER ON {change.table} TO {role}; and on its partitions, if it has any"

    def _fail(self, change: Change, problem: str) -> None:
        self.failures += 1
        self._report(change, problem=problem)


def _drops(change: Change) -> Sequence[str]:
    return change.drops if isinstance(change, Install | Remove) else ()


def transaction(change: Change, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> str:
    """The statements of a change's transaction."""
    return f"SET LOCAL lock_timeout = '{lock_timeout_ms}ms';\n{change.sql}"
