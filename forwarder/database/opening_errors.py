"""What the errors of opening a session mean, told by their text where their type is not enough, and the remedy of each. Pure."""

from __future__ import annotations

import re
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
    # In TLS 1.3 the server refuses our certificate when we take the session for open.
    asyncpg.ConnectionDoesNotExistError,
    # Nobody answers; or the server has no TLS, or another certificate than it should have.
    OSError,
)

# What OpenSSL finds wrong with the server's certificate, by X509_V_ERR_… of its x509_vfy.h.
_NAME = "connect by a name that is in the certificate, such as RDS's own endpoint; sslmode=verify-ca leaves the name unchecked"
_AUTHORITY = "name the file with the authority of the certificate as sslrootcert; for RDS it is sslrootcert=rds"
_CERTIFICATE_REMEDIES = {
    **dict.fromkeys((2, 18, 19, 20, 21), _AUTHORITY),
    **dict.fromkeys((62, 64), _NAME),
    3: "name a file with the list of the certificate's own authority as sslcrl, or leave sslcrl out",
    9: "see whether this machine's clock is right, and from when on the certificate is good",
    10: "have the server's certificate renewed; if it is still good, set this machine's clock",
    12: "name a list that has not ended as sslcrl",
    23: "have the server's certificate renewed",
}
# What OpenSSL says of the files that we give it, and of what the server said to ours.
_OWN_CERTIFICATE = "check sslcert: the server wants one by an authority that it trusts, and that is good now"
_TLS_REMEDIES = {
    "KEY_VALUES_MISMATCH": "sslkey is not the key of sslcert; give the two that belong together",
    "NO_CERTIFICATE_OR_CRL_FOUND": "sslrootcert or sslcrl has no certificate or list in it; name a file in PEM",
    "PEM lib": "check sslcert and sslkey, which are files in PEM, and sslpassword, the key's passphrase",
    **dict.fromkeys(("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE"), _OWN_CERTIFICATE),
    "PROTOCOL": "check ssl_min_protocol_version and ssl_max_protocol_version, here and at the server",
}

# Where in Python's source an error of OpenSSL was seen.
_PLACE = re.compile(r" \(_ssl\.c:\d+\)")


def said(error: BaseException) -> str:
    """What went wrong, on one line."""
    tls = _of_tls(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return f"the server's certificate: {tls.verify_message.rstrip('.')}"
    if tls is not None:
        return f"TLS: {_PLACE.sub('', str(tls.args[-1]))}"
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def lasting_remedy(error: Exception) -> str | None:
    """The remedy for an error of ``UNFIT``; None: it may pass."""
    if (tls := _of_tls(error)) is not None:
        if isinstance(tls, ssl.SSLCertVerificationError):
            return _CERTIFICATE_REMEDIES.get(tls.verify_code, CHECK_CERTIFICATE)
        return next((remedy for words, remedy in _TLS_REMEDIES.items() if words in str(tls)), None)
    if isinstance(error, asyncpg.ConnectionDoesNotExistError):
        return None
    if isinstance(error, OSError):
        return CHECK_TLS if "rejected SSL upgrade" in str(error) else None
    if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" not in str(error):
        return None
    return "check options in FORWARDER_DATABASE_URL, or PGOPTIONS"


def remedy_of_login(error: asyncpg.InvalidAuthorizationSpecificationError, *, otherwise: str) -> str:
    """The remedy for a server that does not let us in. ``otherwise``: where it may be the password that it refuses."""
    text = str(error)
    if "pg_hba.conf" in text:
        # Under sslmode=prefer the error of the attempt with TLS, which came first, is the cause of the other.
        if "no encryption" in text and "pg_hba.conf" not in str(error.__cause__):
            return "the server wants TLS: set sslmode=verify-full, and for RDS sslrootcert=rds"
        return "check the user in FORWARDER_DATABASE_URL and the server's pg_hba.conf"
    if "valid client certificate" in text:
        return "the server wants a certificate of ours: name its file as sslcert, and that of its key as sslkey"
    if "certificate authentication failed" in text:
        return "the certificate in sslcert is for another role: its common name should be the user in FORWARDER_DATABASE_URL"
    if "PAM authentication" in text and "rds_iam" not in otherwise:
        return f'{otherwise}; of a role that has rds_iam RDS wants a token: set auth = "rds-iam" in [database]'
    return otherwise


def _of_tls(error: BaseException) -> ssl.SSLError | None:
    """The error of TLS that this is, or that has ended the connection."""
    return next((one for one in (error, error.__cause__) if isinstance(one, ssl.SSLError)), None)
