"""Turns libpq's parameters into what asyncpg is given. Pure.

1. What asyncpg does as libpq would is passed on.
2. What it cannot do and we can: keepalives and tcp_user_timeout on the socket, and the certificates of the system.
3. All else is an error with the remedy, unless its value asks for nothing that would be missed.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from forwarder.errors import Misconfigured

# libpq's variables, by parameter: https://www.postgresql.org/docs/18/libpq-envars.html
VARIABLES = {
    **{
        name: f"PG{name.upper()}"
        for name in (
            *("host", "hostaddr", "port", "user", "password", "passfile", "service", "servicefile", "options"),
            *("sslmode", "sslnegotiation", "sslcert", "sslkey", "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir"),
            *("sslsni", "gsslib", "requirepeer", "gssencmode", "gssdelegation", "krbsrvname", "connect_timeout"),
        )
    },
    "dbname": "PGDATABASE",
    "require_auth": "PGREQUIREAUTH",
    "channel_binding": "PGCHANNELBINDING",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
}

# The parameters that asyncpg heeds as libpq would.
_ASYNCPGS = (
    *("host", "port", "dbname", "user", "password", "passfile", "options", "target_session_attrs"),
    *("krbsrvname", "gsslib"),
    *("sslmode", "sslnegotiation", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)
# The certificates of RDS's authorities, which sslrootcert=rds stands for. The image has them there, if it was built with them.
RDS_BUNDLE = Path(sys.prefix) / "share" / "forwarder" / "rds-global-bundle.pem"
GET_RDS_BUNDLE = (
    "get https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem, and put it there (docs/database.md), or name its file as"
    " sslrootcert"
)

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "gsslib": ("gssapi",),
    **dict.fromkeys(
        ("ssl_min_protocol_version", "ssl_max_protocol_version"), ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
    ),
}
# Parameters that only libpq heeds: the values that make no difference here, and the remedy for all others.
_INDIFFERENT = {
    "channel_binding": (("disable", "prefer"), "leave it out, and let sslmode=verify-full prove who the server is"),
    "gssencmode": (("disable", "prefer"), "encrypt by sslmode"),
    "gssdelegation": (("0",), "leave it out"),
    "hostaddr": ((), "name the address as host"),
    "load_balance_hosts": (("disable",), "leave it out: there is one primary"),
    "max_protocol_version": (("3.0", "3.2", "latest"), "leave it out"),
    "min_protocol_version": (("3.0",), "leave it out"),
    "replication": (("false", "off", "no", "0"), "leave it out: no replication connection is needed"),
    "requirepeer": ((), "leave it out"),
    "require_auth": ((), "leave it out, and let sslmode=verify-full prove who the server is"),
    "sslcertmode": (("allow",), "leave it out"),
    "sslcrldir": ((), "name one file as sslcrl"),
    "sslsni": (("1",), "leave it out"),
    **dict.fromkeys(("scram_client_key", "scram_server_key"), ((), "give the password instead")),
    **dict.fromkeys(
        ("oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"), ((), "log in by another method")
    ),
}
# The socket's options that they set, where this system has them. tcp_user_timeout is in milliseconds in libpq and in Linux.
_SOCKET_OPTIONS = {
    "keepalives": (socket.SOL_SOCKET, "SO_KEEPALIVE"),
    "keepalives_idle": (socket.IPPROTO_TCP, "TCP_KEEPIDLE"),
    "keepalives_interval": (socket.IPPROTO_TCP, "TCP_KEEPINTVL"),
    "keepalives_count": (socket.IPPROTO_TCP, "TCP_KEEPCNT"),
    "tcp_user_timeout": (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT"),
}
# The highest value of each: Linux limits the first three, and libpq keeps the others in 32 bits.
_MOST = {
    "keepalives_idle": 32767,
    "keepalives_interval": 32767,
    "keepalives_count": 127,
    **dict.fromkeys(("keepalives", "tcp_user_timeout", "connect_timeout"), 2**31 - 1),
}
# Whole numbers as libpq reads them, with no more digits than 32 bits need.
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,10}\s*")
_PORT = re.compile(r"[0-9]{1,5}")
# libpq takes a shorter connect_timeout for this.
_LEAST_TIMEOUT_SECONDS = 2
DEFAULT_PORT = 5432


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTarget:
    """Where a session goes, and how it is opened."""

    # For asyncpg, with the password.
    dsn: str = field(repr=False)
    # Host, port and database, for messages.
    address: str
    # None: the caller's own.
    timeout_seconds: float | None
    # Of each its level, number and value.
    socket_options: tuple[tuple[int, int, int], ...]
    # The server's certificate is checked against those that this machine trusts.
    trusts_system: bool
    # Files that have to be readable: of each the parameter and the path.
    files: tuple[tuple[str, str], ...]
    # Host and port of each place that is tried, in their order; an empty host is a socket of this machine.
    places: tuple[tuple[str, int], ...]
    # Where something is None, libpq's default counts.
    user: str | None
    dbname: str | None
    sslmode: str | None
    passfile: str | None
    has_password: bool
    # Host and port of each place that is tried by itself; None: as the DSN says.
    turns: tuple[tuple[str | None, int | None], ...] = ((None, None),)


def from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The parameters that libpq's variables set."""
    return {name: environment[variable] for name, variable in VARIABLES.items() if environment.get(variable)}


def target_of(parameters: Mapping[str, str]) -> ConnectionTarget:
    """Where these parameters, by libpq's names, lead to.

    Raises:
        Misconfigured: a value means nothing, or asks for something that we cannot do.
    """
    for name, value in parameters.items():
        _require_sense(name, value)
    given = {name: parameters[name] for name in _ASYNCPGS if parameters.get(name)}
    if trusts_system := given.get("sslrootcert") == "system":
        if given.setdefault("sslmode", "verify-full") != "verify-full":
            raise _refusal("sslrootcert", "system goes with sslmode=verify-full alone")
        del given["sslrootcert"]
    if given.get("sslrootcert") == "rds":
        if given.setdefault("sslmode", "verify-full") not in ("verify-ca", "verify-full"):
            raise _refusal("sslrootcert", "rds goes with sslmode=verify-full, or verify-ca where the host is an alias")
        given["sslrootcert"] = str(RDS_BUNDLE)
    return ConnectionTarget(
        dsn=f"postgresql://?{urlencode(given | _places(given))}",
        address=_address(given),
        timeout_seconds=_timeout_seconds(parameters),
        socket_options=tuple(_socket_options(parameters)),
        trusts_system=trusts_system,
        files=tuple((name, given[name]) for name in _FILES if name in given),
        places=tuple((host, int(port or DEFAULT_PORT)) for host, port in _pairs(given)),
        user=given.get("user"),
        dbname=given.get("dbname"),
        sslmode=given.get("sslmode"),
        passfile=given.get("passfile"),
        has_password="password" in given,
        turns=_turns(given),
    )


def _require_sense(name: str, value: str) -> None:
    if name in _CHOICES and value not in _CHOICES[name]:
        raise _refusal(name, f"it can be {', '.join(_CHOICES[name])}")
    if name in _INDIFFERENT:
        harmless, remedy = _INDIFFERENT[name]
        if value not in harmless:
            raise _refusal(name, f"what it asks for cannot be had here; {remedy}")
    if name in _MOST and not (_WHOLE_NUMBER.fullmatch(value) and abs(int(value)) <= _MOST[name]):
        raise _refusal(name, f"it is no whole number from 0 to {_MOST[name]}")
    if name == "port" and not all(
        _PORT.fullmatch(port) and 0 < int(port) < 1 << 16 for port in value.split(",") if port
    ):
        raise _refusal(name, "it is no number from 1 to 65535")


def _refusal(name: str, advice: str) -> Misconfigured:
    # Without the value: the URL may have been taken apart in the wrong place, and the value be a piece of the password.
    return Misconfigured(f"parameter {name} of the database's address: {advice}")


def _pairs(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Host and port of each place; an empty host is libpq's default."""
    hosts, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    if 1 < len(ports) != len(hosts):
        raise _refusal("port", f"there are {len(ports)} of them, for {len(hosts)} hosts")
    return list(zip(hosts, ports if len(ports) > 1 else ports * len(hosts), strict=True))


def _places(given: Mapping[str, str]) -> dict[str, str]:
    """Hosts and ports as asyncpg reads them: one port for each host."""
    pairs = _pairs(given)
    if not any(host for host, _ in pairs):
        return {"port": pairs[0][1] or str(DEFAULT_PORT)}
    return {
        "host": ",".join(map(_bracketed, (host for host, _ in pairs))),
        "port": ",".join(port or str(DEFAULT_PORT) for _, port in pairs),
    }


def _turns(given: Mapping[str, str]) -> tuple[tuple[str | None, int | None], ...]:
    pairs = _pairs(given)
    # asyncpg has to see all of them, to prefer one.
    if len(pairs) == 1 or given.get("target_session_attrs") == "prefer-standby":
        return ((None, None),)
    return tuple((host or "localhost", int(port or DEFAULT_PORT)) for host, port in pairs)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host or "localhost"


def _address(given: Mapping[str, str]) -> str:
    """``db.example:5432/app``."""
    places = ",".join(f"{_bracketed(host)}:{port or DEFAULT_PORT}" for host, port in _pairs(given))
    return f"{places}/{given['dbname']}" if "dbname" in given else places


def _timeout_seconds(parameters: Mapping[str, str]) -> float | None:
    seconds = int(parameters.get("connect_timeout", "0"))
    return max(seconds, _LEAST_TIMEOUT_SECONDS) if seconds > 0 else None


def _socket_options(parameters: Mapping[str, str]) -> list[tuple[int, int, int]]:
    """The options to set. Zero means the system's own value, except that ``keepalives=0`` switches keepalives off."""
    found = []
    for name, (level, constant) in _SOCKET_OPTIONS.items():
        value, option = parameters.get(name), getattr(socket, constant, None)
        if value is not None and option is not None and (int(value) > 0 or name == "keepalives"):
            found.append((level, option, int(value)))
    return found
