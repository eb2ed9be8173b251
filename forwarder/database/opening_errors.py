"""What the errors of opening a session mean, told by their text where their type is not enough: the remedy of each. Pure."""

from __future__ import annotations

import ssl

import asyncpg

CHECK_ADDRESS = "check its host and port, and whether it runs and lets us in"
CHECK_TLS = "it is no PostgreSQL, or TLS is off there: check host, port and sslmode"
CHECK_CERTIFICATE = "check the host's name, sslrootcert and sslmode"

# Errors of opening a session for which the URL may be to blame; `lasting_remedy` decides.
UNFIT: tuple[type[Exception], ...] = (
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.CantChangeRuntimeParamError,
    asyncpg.PostgresSyntaxError,
    # By PgBouncer, which knows few startup parameters.
    asyncpg.ProtocolViolationError,
    # Nobody answers; or the server has no TLS, or another certificate than it should have.
    OSError,
)


def lasting_remedy(error: Exception) -> str | None:
    """The remedy for an error of ``UNFIT``; None: it may pass."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CHECK_CERTIFICATE
    if isinstance(error, OSError):
        return CHECK_TLS if "rejected SSL upgrade" in str(error) else None
    if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" not in str(error):
        return None
    return "check options in FORWARDER_DATABASE_URL, or PGOPTIONS"


def remedy_of_login(error: asyncpg.InvalidAuthorizationSpecificationError) -> str | None:
    """The remedy where it is not the password that the server refuses; None: it may be that."""
    if "pg_hba.conf" in str(error):
        return "check the user in FORWARDER_DATABASE_URL and the server's pg_hba.conf"
    return None
