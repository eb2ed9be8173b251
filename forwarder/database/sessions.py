"""Opens sessions of PostgreSQL that are set up for our work, and turns asyncpg's errors into those of this program."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any, TypeAlias

import asyncpg

from forwarder.database.address import resolve
from forwarder.database.connection_target import ConnectionTarget
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

CHECK_ADDRESS = "check its host and port, and whether it runs and lets us in"
CHECK_TLS = "it is no PostgreSQL, or TLS is off there: check host, port and sslmode"
CHECK_CERTIFICATE = "check the host's name, sslrootcert and sslmode"

CONNECT_TO_PRIMARY = "connect to the primary, not to a replica"

# Errors that waiting cannot mend, and the remedy of each.
_REFUSALS: dict[type[Exception], str] = {
    asyncpg.InvalidPasswordError: "check the user and the password in FORWARDER_DATABASE_URL",
    asyncpg.InvalidAuthorizationSpecificationError: "check the user in FORWARDER_DATABASE_URL and the server's pg_hba.conf",
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

# Errors of opening a session for which the URL may be to blame; `_remedy_for_opening` decides.
_UNFIT: tuple[type[Exception], ...] = (
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.CantChangeRuntimeParamError,
    asyncpg.PostgresSyntaxError,
    # By PgBouncer, which knows few startup parameters.
    asyncpg.ProtocolViolationError,
    # Nobody answers; or the server has no TLS.
    OSError,
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
        raise Unavailable(f"{what}: {_one_line(error)} (SQLSTATE {error.sqlstate})") from error


def blockage(error: asyncpg.PostgresError) -> str:
    """One line for an error that says that other objects depend on what was to be altered or dropped (a view, say): which, and the remedy."""
    # The detail has a line for each object. Without a detail, the message names the object.
    objects = ", ".join((error.detail or "").splitlines())
    return f"{_one_line(error)}{objects and ': '}{objects}; drop what is in the way, and run it again"


@contextmanager
def _errors_of_connecting(url: str) -> Iterator[None]:
    """As ``database_errors``, for a session on which ``session.sql`` has not been run yet."""
    with database_errors(_cannot_connect(url)):
        try:
            yield
        except asyncpg.FeatureNotSupportedError as error:
            # A standby where the default isolation is serializable refuses every query, even the one that would change the isolation.
            raise Unavailable(f"{_cannot_connect(url)}: {_one_line(error)}; {CONNECT_TO_PRIMARY}") from error


@contextmanager
def _errors_of_opening(url: str) -> Iterator[None]:
    """As ``_errors_of_connecting``, for errors that may be due to the URL."""
    with _errors_of_connecting(url):
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise Refused(f"{_cannot_connect(url)}: {_one_line(error)}; {CHECK_CERTIFICATE}") from error
        except _UNFIT as error:
            if remedy := _remedy_for_opening(error):
                raise Refused(f"{_cannot_connect(url)}: {_one_line(error)}; {remedy}") from error
            if isinstance(error, OSError):
                raise Unavailable(f"{_cannot_connect(url)}: {_one_line(error)}; {CHECK_ADDRESS}") from error
            raise


def _remedy_for_opening(error: Exception) -> str | None:
    """The remedy for an error of ``_UNFIT``, told by its text where its type is not enough; None: it may pass."""
    if isinstance(error, OSError):
        return CHECK_TLS if "rejected SSL upgrade" in str(error) else None
    if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" not in str(error):
        return None
    return "check options in FORWARDER_DATABASE_URL, or PGOPTIONS"


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
async def session(url: str, *, purpose: str, metrics: SessionMetrics | None = None) -> AsyncIterator[Connection]:
    """A connection for the length of a block; one that ends in an error is dropped without a goodbye. ``metrics``: where it is counted."""
    with metrics.opening(purpose) if metrics else nullcontext():
        connection = await connect(url, purpose=purpose)
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


def describe(url: str) -> str:
    """Host, port and database of a URL, for messages: never the password."""
    try:
        return resolve(url).address
    except Misconfigured:
        return "an unreadable address"


def _cannot_connect(url: str) -> str:
    return f"cannot connect to PostgreSQL at {describe(url)}"


async def _open(url: str, *, purpose: str, timeout_seconds: float) -> Connection:
    target = resolve(url)
    with _errors_of_opening(url):
        connection: Connection = await asyncpg.connect(
            target.dsn,
            timeout=target.timeout_seconds or timeout_seconds,
            command_timeout=60.0,
            server_settings={"application_name": application_name(purpose)},
            ssl=True if target.trusts_system else None,
        )
        _set_socket_options(connection, target)
    return connection


def _set_socket_options(connection: Any, target: ConnectionTarget) -> None:
    """Set them on the socket itself: asyncpg has no parameters for them."""
    opened = connection._transport.get_extra_info("socket")
    for level, option, value in target.socket_options:
        if opened.family != socket.AF_UNIX:
            opened.setsockopt(level, option, value)


def _require_version(connection: Connection, url: str) -> None:
    major = connection.get_server_version().major
    if major < MINIMUM_VERSION:
        raise Refused(
            f"{_cannot_connect(url)}: PostgreSQL {major} is too old; version {MINIMUM_VERSION} or newer is needed"
        )


async def _require_own_session(connection: Connection, url: str, *, timeout_seconds: float) -> None:
    """Refuse a session that others are lent too. Called before any setting is made, which would be theirs too."""
    with _errors_of_connecting(url):
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
    with _errors_of_connecting(url):
        await connection.execute(query("session"))
        # Microseconds since 2000-01-01 UTC: PostgreSQL sends them as it sends an int8, and they are cheaper to format than a datetime.
        await connection.set_builtin_type_codec("timestamptz", schema="pg_catalog", codec_name="int8")


def _remedy(error: Exception) -> str:
    return next(remedy for kind, remedy in _REFUSALS.items() if isinstance(error, kind))


def _one_line(error: BaseException) -> str:
    text: Any = getattr(error, "message", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
