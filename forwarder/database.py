"""Connections to PostgreSQL: how a session of ours is set up, and what each of asyncpg's errors means to us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from operator import itemgetter
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg

from forwarder.errors import ForwarderError, Misconfigured, Refused, Unavailable
from forwarder.pooler import is_direct, lends_by_turns

# Quoted: only the type stubs of asyncpg make it generic.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MINIMUM_VERSION = 14
# A session that does not answer a trivial request within this is dead, and is replaced.
ANSWER_SECONDS = 10.0

# Advisory locks live in the two-integer key space under one class number of our own ("fwdr" in ASCII), so that they cannot
# meet an application's. sql/migrations/0002_capture.sql repeats the doorbell's pair.
LOCK_CLASS = 0x66776472
DOORBELL_LOCK = 1
MIGRATION_LOCK = 2
# The leaders' locks have a class of their own ("fwdl"); the second number is the hash of the sink's name.
LEADER_LOCK_CLASS = 0x6677646C

MALFORMED_URL = (
    "FORWARDER_DATABASE_URL is malformed; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters"
    " in the password percent-encoded"
)

CONNECT_DIRECTLY = (
    "connect to the host and port of PostgreSQL itself; only writers may go through a pooler in transaction mode"
)

# What waiting cannot mend, and the remedy.
_REFUSALS: dict[type[Exception], str] = {
    asyncpg.InvalidPasswordError: "check the user and the password in FORWARDER_DATABASE_URL",
    asyncpg.InvalidAuthorizationSpecificationError: "check the user in FORWARDER_DATABASE_URL and the server's pg_hba.conf",
    asyncpg.InvalidCatalogNameError: "check the database name in FORWARDER_DATABASE_URL",
    asyncpg.InsufficientPrivilegeError: "connect as the role that ran `forwarder migrate`, or grant it the privilege",
    asyncpg.InvalidSchemaNameError: "run `forwarder migrate` first",
    asyncpg.UndefinedTableError: "run `forwarder migrate` first",
    asyncpg.UndefinedFunctionError: "run `forwarder migrate`: the schema is older than this program",
    asyncpg.UndefinedColumnError: "run `forwarder migrate`: the schema is older than this program",
    # What we have prepared is in another session: a pooler was told to change its mode.
    asyncpg.InvalidSQLStatementNameError: CONNECT_DIRECTLY,
    asyncpg.DuplicatePreparedStatementError: CONNECT_DIRECTLY,
}

# What our session cannot be given: text that cannot become UTF-8, or that is not, although the database says so.
ILLEGIBLE: tuple[type[Exception], ...] = (
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    UnicodeDecodeError,
)

# What passes by itself: a restart, a failover, a cut connection, a lock or a statement that took too long.
_PASSING: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


@contextmanager
def errors_of(what: str) -> Iterator[None]:
    """Raise asyncpg's errors as the errors of this program; ``what`` says what was being done.

    Raises:
        Refused: waiting cannot mend it.
        Unavailable: it may pass.
    """
    try:
        yield
    except ForwarderError:
        raise
    except asyncpg.ClientConfigurationError:
        raise Misconfigured(MALFORMED_URL) from None
    except tuple(_REFUSALS) as error:
        raise Refused(f"{what}: {_one_line(error)}; {_remedy(error)}") from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        raise Unavailable(f"{what}: {_one_line(error)}; connect to the primary, not to a replica") from error
    except _PASSING as error:
        raise Unavailable(f"{what}: {_one_line(error)}") from error
    except asyncpg.PostgresError as error:
        # Nobody has foreseen it, so nobody knows that it cannot pass.
        raise Unavailable(f"{what}: {_one_line(error)} (SQLSTATE {error.sqlstate})") from error


async def connect(url: str, *, purpose: str, timeout_seconds: float = 10.0) -> Connection:
    """Open one session, set up for our kind of work. ``purpose`` shows in ``pg_stat_activity.application_name``.

    Raises:
        Misconfigured: the URL is malformed.
        Refused: the server refuses us, is older than PostgreSQL 14, or shares the session with others behind a pooler.
        Unavailable: nobody answers, or not now.
    """
    connection = await _open(url, purpose=purpose, timeout_seconds=timeout_seconds)
    try:
        _require_version(connection, url)
        await _require_own_session(connection, url, timeout_seconds=timeout_seconds)
        await _prepare(connection, url)
    except BaseException:
        connection.terminate()
        raise
    return connection


@asynccontextmanager
async def session(url: str, *, purpose: str) -> AsyncIterator[Connection]:
    """A connection for the length of a block; one that ends in an error is dropped without a goodbye."""
    connection = await connect(url, purpose=purpose)
    try:
        yield connection
    except BaseException:
        connection.terminate()
        raise
    await close(connection)


async def close(connection: Connection) -> None:
    """Say goodbye if the server still listens; never wait long, never fail."""
    with suppress(*_PASSING):
        await connection.close(timeout=2.0)


def describe(url: str) -> str:
    """Host, port and database of a URL, for messages: never the password."""
    if _splits_badly(url):
        return "an unreadable address"
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


def _cannot_connect(url: str) -> str:
    return f"cannot connect to PostgreSQL at {describe(url)}"


def _splits_badly(url: str) -> bool:
    """Whether the parts of a URL are not what they seem: an @ too far right means a special character in the password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return True
    return parts.scheme not in ("postgresql", "postgres") or "@" in parts.path + parts.query + parts.fragment


async def _open(url: str, *, purpose: str, timeout_seconds: float) -> Connection:
    if _splits_badly(url):
        raise Misconfigured(MALFORMED_URL)
    try:
        with errors_of(_cannot_connect(url)):
            return await asyncpg.connect(
                url,
                timeout=timeout_seconds,
                command_timeout=60.0,
                server_settings={"application_name": f"forwarder {purpose}"},
            )
    except ValueError:
        # Its text may quote a part of the password.
        raise Misconfigured(MALFORMED_URL) from None


def _require_version(connection: Connection, url: str) -> None:
    major = connection.get_server_version().major
    if major < MINIMUM_VERSION:
        raise Refused(
            f"{_cannot_connect(url)}: PostgreSQL {major} is too old; version {MINIMUM_VERSION} or newer is needed"
        )


async def _require_own_session(connection: Connection, url: str, *, timeout_seconds: float) -> None:
    """Before anything is set, which others would get to feel."""
    with errors_of(_cannot_connect(url)):
        if await is_direct(connection, timeout_seconds=timeout_seconds):
            return
        other = await _open(url, purpose="pooler test", timeout_seconds=timeout_seconds)
        try:
            shared = await lends_by_turns(connection, other, timeout_seconds=timeout_seconds)
        finally:
            await close(other)
    if shared:
        raise Refused(
            f"{_cannot_connect(url)}: a pooler in transaction mode answers, which would give our locks and settings to"
            f" others; {CONNECT_DIRECTLY}"
        )


async def _prepare(connection: Connection, url: str) -> None:
    with errors_of(_cannot_connect(url)):
        # An idle listener is its normal state, so the server must not end its session for that. A statement of ours
        # that takes this long is stuck. Parallel workers could return the rows of a page out of order.
        await connection.execute(
            "SET idle_session_timeout = 0; SET idle_in_transaction_session_timeout = '60s'; SET statement_timeout = '50s';"
            " SET lock_timeout = '10s'; SET max_parallel_workers_per_gather = 0; SET timezone = 'UTC'"
        )
        # The leaves of the outbox are never analysed, or were when they were empty: statistics would mislead the planner
        # into reading a whole leaf for one page. Without them, and without scans that read all there is before they tell the
        # first row, it walks the indexes.
        await connection.execute(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off"
        )
        # If this machine vanishes, the server shall notice soon, but not before the leader's lease is over.
        await connection.execute(
            "SET tcp_keepalives_idle = 8; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 4;"
            " SET tcp_user_timeout = '20s'"
        )
        # Microseconds since 2000-01-01 UTC: PostgreSQL's own count, cheaper to format than a datetime.
        await connection.set_type_codec(
            "timestamptz", schema="pg_catalog", format="tuple", encoder=_unchanged, decoder=itemgetter(0)
        )


def _unchanged(value: int) -> tuple[int]:
    return (value,)


def _remedy(error: Exception) -> str:
    return next(remedy for kind, remedy in _REFUSALS.items() if isinstance(error, kind))


def _one_line(error: BaseException) -> str:
    text: Any = getattr(error, "message", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
