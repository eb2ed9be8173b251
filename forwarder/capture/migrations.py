"""Applies migrations: the numbered SQL files that make the schema ``forwarder``, each once, in a transaction of its own, and recorded."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial

import anyio
import asyncpg

from forwarder.backoff import Backoff
from forwarder.capture.rights_script import closing
from forwarder.database.conflicts import past_conflicts
from forwarder.database.lock_holders import holders_of_lock
from forwarder.database.queries import SQL, query
from forwarder.database.sessions import (
    LOCK_CLASS,
    LOCK_TIMEOUT_MS,
    MIGRATION_LOCK,
    Connection,
    blockage,
    database_errors,
)
from forwarder.errors import Refused, Unavailable
from forwarder.logs import Throttled

logger = logging.getLogger(__name__)

# A migration that alters the outbox has to wait for writers whose transactions stay open. It gives up after this long.
PATIENCE_SECONDS = 60.0
OUTBOX = "forwarder.outbox"

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of ``sql/migrations``. Once released it is never edited; its checksum would tell."""

    version: int
    name: str
    text: str

    def __str__(self) -> str:
        return f"migration {self.version:04} {self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def sql(self) -> str:
        """For one transaction: the file, its record in ``forwarder.migration``, and what takes from others the rights on what it has made.

        In ASCII: a database in LATIN1, say, refuses a statement with other characters. In our files these stand in comments only, and become
        question marks.
        """
        text = self.text.encode("ascii", "replace").decode()
        return (
            f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms';\n{text}\nINSERT INTO forwarder.migration (version, name, checksum)"
            f" VALUES ({self.version}, '{self.name}', '{self.checksum}');\n{closing()}"
        )


@cache
def shipped() -> Sequence[Migration]:
    """The migrations that this program brings, oldest first."""
    directory = SQL / "migrations"
    matches = (_FILE.fullmatch(path.name) for path in sorted(directory.iterdir()))
    return tuple(
        Migration(version=int(match[1]), name=match[2], text=(directory / match[0]).read_text("utf-8"))
        for match in matches
        if match
    )


async def pending(connection: Connection, *, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Which migrations this database has not seen yet, oldest first. Changes nothing.

    Raises:
        Refused: the schema is somebody else's, or was migrated by a newer program, or by a file that was edited since.
    """
    known = shipped() if known is None else known
    with database_errors("cannot read which migrations were applied"):
        state = await connection.fetchrow(query("migration_log"))
        assert state is not None
        if not state["recorded"]:
            if state["occupied"]:
                raise Refused("schema forwarder holds objects but no record of migrations; rename or drop that schema")
            return list(known)
        applied = await connection.fetch(query("applied_migrations"))
    return unapplied(known, {row["version"]: (row["name"], row["checksum"]) for row in applied})


def unapplied(known: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    """Those of ``known`` that are not among the ``applied``, by version with name and checksum.

    Raises:
        Refused: one that was applied is not known, or its file is another now.
    """
    by_version = {migration.version: migration for migration in known}
    for version, (name, checksum) in sorted(applied.items()):
        if version not in by_version:
            raise Refused(
                f"the database was migrated by a newer forwarder: migration {version:04} {name} is unknown to this one;"
                " upgrade it"
            )
        if by_version[version].checksum != checksum:
            raise Refused(
                f"{by_version[version]} is not the file that was applied to this database; released migrations are never"
                " edited: restore it and write a new one"
            )
    return [migration for migration in known if migration.version not in applied]


async def apply(connection: Connection, *, report: Callable[[Migration], None] = lambda _: None) -> None:
    """Bring the schema up to date. Safe to run twice, also at the same time; ``report`` is called after each migration.

    Raises:
        Refused: see ``pending``; or the role may not create the schema.
        Unavailable: the database does not answer; what was applied before stays applied.
    """
    async with alone(connection):
        for migration in await pending(connection):
            await past_conflicts(partial(_apply_patiently, connection, migration))
            report(migration)


async def _apply_patiently(connection: Connection, migration: Migration) -> None:
    """Apply it as soon as nobody holds a lock that it needs. It waits briefly each time, since writers queue behind a session that waits."""
    backoff, throttled = Backoff(first_seconds=0.2, max_seconds=5.0), Throttled(seconds=10.0)
    deadline = anyio.current_time() + PATIENCE_SECONDS
    with database_errors(f"{migration} failed"):
        while True:
            try:
                return await _apply(connection, migration)
            except asyncpg.LockNotAvailableError:
                is_exclusive = True
                obstacle = await connection.fetchrow(query("lock_conflicts"), OUTBOX, is_exclusive)
                if anyio.current_time() > deadline:
                    raise Unavailable(f"{migration} failed: {_locked(obstacle)}") from None
                if throttled.due("locked"):
                    logger.info(
                        "waiting for a lock", extra={"table": OUTBOX if obstacle else None, **dict(obstacle or {})}
                    )
            await anyio.sleep(backoff.next())


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
    except (asyncpg.DependentObjectsStillExistError, asyncpg.FeatureNotSupportedError) as error:
        raise Refused(f"{migration} failed: {blockage(error)}") from error
    except asyncpg.InsufficientPrivilegeError as error:
        names = await connection.fetchrow("SELECT quote_ident(current_database()), quote_ident(current_user)")
        database, role = names or ("", "")
        raise Refused(
            f"{migration} failed: {error.args[0]}; connect as the owner of schema forwarder, or run as an administrator, the"
            f" first time: GRANT CREATE ON DATABASE {database} TO {role}"
        ) from error


def _locked(obstacle: asyncpg.Record | None) -> str:
    if obstacle is None:
        # Most likely a captured table: which one is not known here.
        return f"a table that it looks at is still locked after {PATIENCE_SECONDS:g} seconds; run it again in a quieter hour"
    return (
        f"the outbox is still locked after {PATIENCE_SECONDS:g} seconds, longest by pid {obstacle['pid']}"
        f" ({obstacle['application']}); run it again when that transaction is over"
    )


@asynccontextmanager
async def alone(connection: Connection) -> AsyncIterator[None]:
    """Hold the lock that lets one `forwarder migrate` at a time work on a database. May be nested in one session.

    The lock is asked for again and again, instead of waiting for it in PostgreSQL: a statement that waits has a snapshot, which holds back
    vacuum.
    """
    backoff, throttled = Backoff(first_seconds=0.05, max_seconds=1.0), Throttled(seconds=10.0)
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCK_CLASS, MIGRATION_LOCK):
        if throttled.due("waiting"):
            await _tell_of_holder(connection)
        await anyio.sleep(backoff.next())
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1, $2)", LOCK_CLASS, MIGRATION_LOCK)


async def _tell_of_holder(connection: Connection) -> None:
    for holder in await holders_of_lock(connection, MIGRATION_LOCK):
        if holder.is_exclusive and holder.calls_itself("migrate"):
            logger.info("waiting for another `forwarder migrate` on this database", extra=holder.facts)
        elif holder.is_exclusive and holder.may_lead and holder.calls_itself("janitor"):
            # It has the lock for a moment every half minute: nothing to tell of, the first time.
            logger.info("waiting for a listener that captures new tables", extra=holder.facts)
        else:
            logger.warning(
                "waiting for a stranger who has the lock of `forwarder migrate`",
                extra={**holder.facts, "remedy": holder.remedy},
            )
