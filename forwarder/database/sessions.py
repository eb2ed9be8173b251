"""Opens sessions of PostgreSQL that are set up for our work, and turns asyncpg's errors into those of this program."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any, TypeAlias

import asyncpg

from forwarder.database import opening_errors
from forwarder.database.access import Access, DatabaseAddress, access_of
from forwarder.database.connection_target import ConnectionTarget
from forwarder.database.logins.source import Login, in_turn
from forwarder.database.pooler import is_direct, lends_by_turns
from forwarder.database.queries import query
from forwarder.errors import Conflict, ForwarderError, Misconfigured, Refused, Unavailable
from forwarder.metrics import SessionMetrics

# Quoted: only the type stubs of asyncpg make it generic.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MINIMUM_VERSION = 14
# A session that does not answer a trivial request within this is dead, and is replaced.
ANSWER_SECONDS = 10.0

# How long to wait for a lock on a captured table: while we wait, writers to that table queue behind us.
LOCK_TIMEOUT_MS = 500

# Advisory locks live in the two-integer key space under one class number of our own ("fwdr" in ASCII), so that they cannot
# meet an application's. sql/migrations/0002_capture.sql repeats the doorbell's pair.
LOCK_CLASS = 0x66776472
DOORBELL_LOCK = 1
MIGRATION_LOCK = 2
# The leaders' locks have a class of their own ("fwdl"); the second number is the hash of the sink's name.
LEADER_LOCK_CLASS = 0x6677646C
# The keys of events have 0x66776465 ("fwde"), in sql/migrations/0032_emit.sql; the second number is the hash of the key.

CONNECT_DIRECTLY = (
    "connect to the host and port of PostgreSQL itself; only writers may go through a pooler in transaction mode"
)

CONNECT_TO_PRIMARY = "connect to the primary, not to a replica"

# Aurora does not tell its position in the WAL otherwise.
_SHOW_THE_WAL = "on Aurora set rds.logical_replication = 1 in the cluster's parameter group, and reboot"

# Errors that waiting cannot mend, and the remedy of each.
_REFUSALS: dict[type[Exception], str] = {
    asyncpg.InvalidCatalogNameError: "check the database name in FORWARDER_DATABASE_URL",
    asyncpg.InsufficientPrivilegeError: "connect as the role that ran `forwarder migrate`, or have that grant what is needed, by --runtime-role",
    asyncpg.InvalidSchemaNameError: "run `forwarder migrate` first",
    asyncpg.UndefinedTableError: "run `forwarder migrate` first",
    asyncpg.UndefinedFunctionError: "run `forwarder migrate`: the schema is older than this program",
    asyncpg.UndefinedColumnError: "run `forwarder migrate`: the schema is older than this program",
    # What we have prepared is in another session: a pooler was switched to transaction mode.
    asyncpg.InvalidSQLStatementNameError: CONNECT_DIRECTLY,
    asyncpg.DuplicatePreparedStatementError: CONNECT_DIRECTLY,
}

# Errors of text that cannot become UTF-8, or is no UTF-8 although the database says so.
ILLEGIBLE: tuple[type[Exception], ...] = (
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    UnicodeDecodeError,
)

# Errors that pass: a restart, a failover, a cut connection, a lock or a statement that took too long.
_PASSING: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

# Errors of one place after which the next one is tried: nobody is there, it hangs, it is starting or stopping, or it is not what is asked for.
_NEXT_PLACE: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TargetServerAttributeNotMatched,
)


@contextmanager
def database_errors(what: str) -> Iterator[None]:
    """Raise asyncpg's errors as the errors of this program; ``what`` says what was being done.

    Raises:
        Refused: waiting cannot mend it.
        Conflict: the transaction was undone, and can be done again.
        Unavailable: it may pass.
    """
    try:
        yield
    except ForwarderError:
        raise
    except asyncpg.ClientConfigurationError as error:
        raise Misconfigured(f"{what}: {_one_line(error)}; correct FORWARDER_DATABASE_URL") from None
    except tuple(_REFUSALS) as error:
        raise Refused(f"{what}: {_one_line(error)}; {_remedy(error)}") from error
    except asyncpg.ReadOnlySQLTransactionError as error:
        raise Unavailable(f"{what}: {_one_line(error)}; {CONNECT_TO_PRIMARY}") from error
    except asyncpg.TransactionRollbackError as error:
        raise Conflict(f"{what}: {_one_line(error)}") from error
    except _PASSING as error:
        raise Unavailable(f"{what}: {_one_line(error)}") from error
    except asyncpg.PostgresError as error:
        # An unforeseen error: it is tried again, since it may pass.
        remedy = f"; {_SHOW_THE_WAL}" if "wal_level" in str(error) else ""
        raise Unavailable(f"{what}: {_one_line(error)} (SQLSTATE {error.sqlstate}){remedy}") from error


def blockage(error: asyncpg.PostgresError) -> str:
    """One line for an error that says that other objects depend on what was to be altered or dropped (a view, say): which, and the remedy."""
    # The detail has a line for each object. Without a detail, the message names the object.
    objects = ", ".join((error.detail or "").splitlines())
    return f"{_one_line(error)}{objects and ': '}{objects}; drop what is in the way, and run it again"


@contextmanager
def _errors_of_connecting(access: Access) -> Iterator[None]:
    """As ``database_errors``, for a session on which ``session.sql`` has not been run yet."""
    with database_errors(_cannot_connect(access)):
        try:
            yield
        except asyncpg.FeatureNotSupportedError as error:
            # A standby where the default isolation is serializable refuses every query, even the one that would change the isolation.
            raise Unavailable(f"{_cannot_connect(access)}: {_one_line(error)}; {CONNECT_TO_PRIMARY}") from error


@contextmanager
def _errors_of_opening(access: Access) -> Iterator[None]:
    """As ``_errors_of_connecting``, for errors that may be due to the URL, or to who we are."""
    with _errors_of_connecting(access):
        try:
            yield
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            remedy = opening_errors.remedy_of_login(error, otherwise=access.source.remedy)
            raise access.refused(f"{_cannot_connect(access)}: {_one_line(error)}; {remedy}") from error
        except opening_errors.UNFIT as error:
            trouble = f"{_cannot_connect(access)}: {opening_errors.said(error)}"
            if mending := opening_errors.lasting_remedy(error):
                raise Refused(f"{trouble}; {mending}") from error
            if isinstance(error, OSError):
                raise Unavailable(f"{trouble}; {opening_errors.CHECK_ADDRESS}") from error
            raise


async def connect(address: DatabaseAddress, *, purpose: str, timeout_seconds: float = 10.0) -> Connection:
    """Open one session, set up for our kind of work. ``purpose`` shows in ``pg_stat_activity.application_name``.

    Raises:
        Misconfigured: the URL is malformed.
        Refused: the server refuses us, is older than PostgreSQL 14, or shares the session with others behind a pooler.
        Unavailable: nobody answers, or not now.
    """
    access = access_of(address)
    connection = await _open(access, purpose=purpose, timeout_seconds=timeout_seconds)
    try:
        _require_version(connection, access)
        await _require_own_session(connection, access, timeout_seconds=timeout_seconds)
        await _prepare(connection, access)
    except BaseException:
        connection.terminate()
        raise
    return connection


@asynccontextmanager
async def session(
    address: DatabaseAddress, *, purpose: str, metrics: SessionMetrics | None = None
) -> AsyncIterator[Connection]:
    """A connection for the length of a block; one that ends in an error is dropped without a goodbye. ``metrics``: where it is counted."""
    with metrics.opening(purpose) if metrics else nullcontext():
        connection = await connect(address, purpose=purpose)
    try:
        yield connection
        await close(connection)
    finally:
        # It does nothing where the session is closed.
        connection.terminate()
        if metrics:
            metrics.closed(purpose)


def application_name(purpose: str) -> str:
    """What a session for this purpose calls itself in ``pg_stat_activity``."""
    return f"forwarder {purpose}"


async def close(connection: Connection) -> None:
    """End the session properly if the server still answers. Never waits for more than 2 s, and never fails."""
    with suppress(*_PASSING):
        await connection.close(timeout=2.0)


def describe(address: DatabaseAddress) -> str:
    """Host, port and database, for messages: never the password."""
    return access_of(address).address


def _cannot_connect(access: Access) -> str:
    return f"cannot connect to PostgreSQL at {access.address}"


async def _open(access: Access, *, purpose: str, timeout_seconds: float) -> Connection:
    login = await access.login()
    with _errors_of_opening(access):
        try:
            connection = await _logged_in(login, purpose=purpose, timeout_seconds=timeout_seconds)
        except asyncpg.InvalidAuthorizationSpecificationError:
            if (login_anew := await access.another(login)) is None:
                raise
            connection = await _logged_in(login_anew, purpose=purpose, timeout_seconds=timeout_seconds)
    access.let_in()
    return connection


async def _logged_in(login: Login, *, purpose: str, timeout_seconds: float) -> Connection:
    """Try the places one after the other. Each has the whole time-out: asyncpg would let one that hangs use up that of all."""
    target = login.target
    password = None if login.passwords is None else in_turn(login.passwords)
    for host, port in target.turns:
        try:
            connection: Connection = await asyncpg.connect(
                target.dsn,
                host=host,
                port=port,
                password=password,
                timeout=target.timeout_seconds or timeout_seconds,
                command_timeout=60.0,
                server_settings={"application_name": application_name(purpose)},
                ssl=True if target.trusts_system else None,
            )
        except _NEXT_PLACE:
            if (host, port) == target.turns[-1]:
                raise
        else:
            _set_socket_options(connection, target)
            return connection
    raise AssertionError("there is a last place")


def _set_socket_options(connection: Any, target: ConnectionTarget) -> None:
    """Set them on the socket itself: asyncpg has no parameters for them."""
    opened = connection._transport.get_extra_info("socket")
    for level, option, value in target.socket_options:
        if opened.family != socket.AF_UNIX:
            opened.setsockopt(level, option, value)


def _require_version(connection: Connection, access: Access) -> None:
    major = connection.get_server_version().major
    if major < MINIMUM_VERSION:
        raise Refused(
            f"{_cannot_connect(access)}: PostgreSQL {major} is too old; version {MINIMUM_VERSION} or newer is needed"
        )


async def _require_own_session(connection: Connection, access: Access, *, timeout_seconds: float) -> None:
    """Refuse a session that others are lent too. Called before any setting is made, which would be theirs too."""
    with _errors_of_connecting(access):
        if await is_direct(connection, timeout_seconds=timeout_seconds):
            return
        other = await _open(access, purpose="pooler test", timeout_seconds=timeout_seconds)
        try:
            shared = await lends_by_turns(connection, other, timeout_seconds=timeout_seconds)
        finally:
            await close(other)
    if shared:
        raise Refused(
            f"{_cannot_connect(access)}: a pooler in transaction mode answers, which would give our locks and settings to"
            f" others; {CONNECT_DIRECTLY}"
        )


async def _prepare(connection: Connection, access: Access) -> None:
    with _errors_of_connecting(access):
        await connection.execute(query("session"))
        # Microseconds since 2000-01-01 UTC: PostgreSQL sends them as it sends an int8, and they are cheaper to format than a datetime.
        await connection.set_builtin_type_codec("timestamptz", schema="pg_catalog", codec_name="int8")


def _remedy(error: Exception) -> str:
    return next(remedy for kind, remedy in _REFUSALS.items() if isinstance(error, kind))


def _one_line(error: BaseException) -> str:
    text: Any = getattr(error, "message", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
