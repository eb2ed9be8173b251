"""The connection to the database: where it leads, how well it is protected, and whether it is one of our own."""

from __future__ import annotations

from collections.abc import Iterable

from forwarder.capture.encoding_warnings import encoding_warnings
from forwarder.config.wake import Waking, waking
from forwarder.database.access import access_of
from forwarder.database.encryption import Encryption, encryption_of
from forwarder.database.logins.password import NO_PASSWORD
from forwarder.database.pooler import is_direct
from forwarder.database.read_only import require_writable
from forwarder.database.server_identity import max_prepared_transactions
from forwarder.database.sessions import ANSWER_SECONDS, database_errors, describe
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.finding import Finding, note, ok, warning, warnings_or_ok
from forwarder.metrics import Metrics
from forwarder.outbox.doorbell import Doorbell

# The newest release that the tests run on.
NEWEST_VERSION = 18
# A password that ends sooner is warned of.
PASSWORD_SECONDS = 14 * 86_400.0

_VERIFY = (
    "add sslmode=verify-full to the database's URL, and sslrootcert=FILE with its authority (for RDS sslrootcert=rds)"
)


def judge_version(version: str, major: int) -> Finding:
    """``version`` as the server writes it."""
    if major > NEWEST_VERSION:
        return note(
            "version",
            f"PostgreSQL {version} is newer than what this release was tested with",
            remedy="look for a newer release",
        )
    return ok("version", f"PostgreSQL {version}")


def judge_encryption(found: Encryption) -> Finding:
    """What a stranger on the way could do."""
    if found.protocol is None and found.is_local:
        return ok("TLS", "not encrypted, and does not leave this machine")
    if found.protocol is None:
        return warning(
            "TLS", "the connection is not encrypted: rows and password can be read on the way", remedy=_VERIFY
        )
    if not found.checks_authority:
        return warning("TLS", f"{found.protocol}, and nobody checks that the server is the right one", remedy=_VERIFY)
    if not found.checks_name:
        return note("TLS", f"{found.protocol}; the certificate is checked, the name in it is not", remedy=_VERIFY)
    return ok("TLS", f"{found.protocol}, certificate and name are checked")


def judge_password(role: str, seconds: float | None) -> Finding:
    """``seconds``: how long the role's password is valid; None: for ever."""
    if seconds is None:
        return ok("password", f"that of role {role} has no end")
    days = seconds / 86_400
    if seconds < PASSWORD_SECONDS:
        when = f"ends in {days:.1f} days" if seconds > 0 else "has ended"
        return warning("password", f"that of role {role} {when}", remedy=f"ALTER ROLE {role} VALID UNTIL …")
    return ok("password", f"that of role {role} is valid for {days:,.0f} days")


def judge_waking(found: Waking) -> Finding:
    """How a listener would learn of changes."""
    return warnings_or_ok("wake", filter(None, (found.warning,)), otherwise=str(found))[0]


async def _version(patient: Patient) -> Iterable[Finding]:
    server = patient.connection.get_server_version()
    with database_errors("cannot read the server's version"):
        version = await patient.connection.fetchval("SELECT current_setting('server_version')")
    return [ok("server", f"{describe(patient.url)} answers"), judge_version(version, server.major)]


async def _encryption(patient: Patient) -> Iterable[Finding]:
    return [judge_encryption(encryption_of(patient.connection))]


async def _login(patient: Patient) -> Iterable[Finding]:
    told = access_of(patient.url).source.told
    return [
        ok("login", f"as role {patient.role.name}, {'without a password' if told == NO_PASSWORD else f'by {told}'}")
    ]


async def _writable(patient: Patient) -> Iterable[Finding]:
    await require_writable(patient.connection, patient.url)
    return [ok("writable", "it is a primary, and can be written to")]


async def _encoding(patient: Patient) -> Iterable[Finding]:
    lines = await encoding_warnings(patient.connection)
    return warnings_or_ok("encoding", lines, otherwise="every character can become UTF-8")


async def _password(patient: Patient) -> Iterable[Finding]:
    return [judge_password(patient.role.name, patient.role.password_seconds)]


async def _pooler(patient: Patient) -> Iterable[Finding]:
    # One in transaction mode was refused when the session was opened.
    with database_errors("cannot tell whether there is a pooler"):
        direct = await is_direct(patient.connection, timeout_seconds=ANSWER_SECONDS)
    if direct:
        return [ok("pooler", "none: the session is PostgreSQL's own")]
    return [note("pooler", "one in session mode is in between", remedy="a direct connection has one part less to fail")]


async def _waking(patient: Patient) -> Iterable[Finding]:
    database = patient.settings.database
    found = waking(
        database.wake,
        poll_interval_seconds=database.poll_interval_seconds,
        max_prepared_transactions=await max_prepared_transactions(patient.connection),
    )
    if found.wake == "poll" or patient.role.is_standby:
        return [judge_waking(found)]
    # It wakes the listener for one look, as any writer does.
    await Doorbell(patient.connection, Metrics().doorbell).install()
    return [judge_waking(found), ok("notifications", "one that was sent has come back")]


AREA = Area(
    name="connection",
    outside=(
        Look(subject="version", find=_version),
        Look(subject="login", find=_login),
        Look(subject="TLS", find=_encryption),
        Look(subject="writable", find=_writable),
        Look(subject="encoding", find=_encoding),
        Look(subject="password", find=_password),
        Look(subject="pooler", find=_pooler),
        Look(subject="notifications", find=_waking),
    ),
)
