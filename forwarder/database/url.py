"""Reads a database URL as libpq does. Pure: a text goes in; libpq's parameters, or an error that never repeats a password, come out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from forwarder.config.suggestions import nearest
from forwarder.errors import Misconfigured

EXAMPLE = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"

# https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
KNOWN = (
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "servicefile"),
    *("connect_timeout", "client_encoding", "options", "application_name", "fallback_application_name", "replication"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
    *("sslmode", "sslnegotiation", "sslcompression", "sslcert", "sslkey", "sslpassword", "sslcertmode", "sslrootcert"),
    *("sslcrl", "sslcrldir", "sslsni", "ssl_min_protocol_version", "ssl_max_protocol_version", "sslkeylogfile"),
    *("gssencmode", "gssdelegation", "krbsrvname", "gsslib", "channel_binding", "require_auth", "requirepeer"),
    *("scram_client_key", "scram_server_key", "min_protocol_version", "max_protocol_version"),
    *("target_session_attrs", "load_balance_hosts"),
    *("oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"),
)

# Parameters of other drivers: Prisma, SQLAlchemy, node-postgres, pgx, JDBC, asyncpg. They concern pools and caches, which we do not have, or the
# schema, which our statements name. So they are accepted, and have no effect.
INVENTED = frozenset(
    {
        *("schema", "currentSchema", "connection_limit", "pool_timeout", "pool_size", "max_overflow", "pool_recycle"),
        *("pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime", "pool_max_conn_idle_time", "pool_mode"),
        *("pgbouncer", "supavisor", "socket_timeout", "statement_cache_size", "prepared_statement_cache_size"),
        *("prepared_statements", "prepareThreshold", "default_query_exec_mode", "statement_cache_capacity"),
        *("uselibpqcompat", "ApplicationName", "reWriteBatchedInserts", "loggerLevel", "pool", "encoding", "charset"),
    }
)

# Names that asyncpg takes, and libpq's name for each.
_SYNONYMS = {"database": "dbname"}
_KNOWN_NAMES = {*KNOWN, *INVENTED, *_SYNONYMS, "ssl"}

# Parameters of libpq that have no effect, since our sessions set their name and their encoding themselves, or since asyncpg has no such thing.
_OURS = {"application_name", "fallback_application_name", "client_encoding", "sslcompression", "sslkeylogfile"}

_URL = re.compile(
    r"postgres(?:ql)?://(?P<authority>[^/?#]*)(?:/(?P<path>[^?#]*))?(?:\?(?P<query>[^#]*))?(?:#(?P<rest>.*))?",
    re.DOTALL,
)
_OTHER_SCHEME = re.compile(r"(?P<scheme>(?:jdbc:)?postgres(?:ql)?(?:\+[a-z0-9_]+)?):(?://)?", re.IGNORECASE)
# Only such names of unknown parameters are repeated in an error: anything else might be a piece of a password.
_NAME = re.compile(r"[A-Za-z_]{2,40}")
# Names may be percent-encoded as well; then nothing but the name is shown.
_SECRET = re.compile(r"(?<=[?&])(?P<name>[^=&]*(?:password|secret|_key|%)[^=&]*)=[^&]*", re.IGNORECASE)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrl:
    """Parameters by libpq's names, decoded; and the names of those that have no effect."""

    parameters: Mapping[str, str] = field(repr=False)
    ignored: tuple[str, ...] = ()


def parse(url: str) -> DatabaseUrl:
    """Read a URL as libpq does.

    Raises:
        Misconfigured: it is malformed, or has a parameter that nobody knows.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise _malformed(_advice_on_scheme(url))
    pairs = [(unquote(name), value) for name, _, value in _split(found["query"])]
    if stray := _stray_character(found, [name for name, _ in pairs]):
        raise _malformed(stray)
    if any(not equals for _, equals, _ in _split(found["query"])):
        raise _malformed("a parameter after the ? has no value; write NAME=VALUE")
    user, _, address = found["authority"].rpartition("@")
    own = {**_user(user), **_hosts(address), "dbname": unquote(found["path"] or "")}
    # If a parameter is given twice, the last one counts.
    given = dict(_translated(name, unquote(value)) for name, value in pairs if name not in INVENTED)
    return DatabaseUrl(
        parameters={name: value for name, value in (own | given).items() if value},
        ignored=tuple(dict.fromkeys(name for name, _ in pairs if name in INVENTED or name in _OURS)),
    )


def masked(url: str) -> str:
    """The URL with each password in it as ``***``.

    Raises:
        Misconfigured: it is malformed, or has a parameter that nobody knows.
    """
    parse(url)
    found = _URL.fullmatch(url)
    assert found is not None, "parse has read it"
    user, at, address = found["authority"].rpartition("@")
    name, colon, _ = user.partition(":")
    shown = url.replace(found["authority"], f"{name}{colon and ':***'}{at}{address}", 1)
    return _SECRET.sub(r"\g<name>=***", shown)


def _malformed(advice: str) -> Misconfigured:
    return Misconfigured(f"FORWARDER_DATABASE_URL is malformed: {advice}")


def _advice_on_scheme(url: str) -> str:
    if scheme := _OTHER_SCHEME.match(url):
        return f"begin it with postgresql:// instead of {scheme[0]}"
    return f"write {EXAMPLE}"


def _split(query: str | None) -> list[tuple[str, str, str]]:
    return [pair.partition("=") for pair in (query or "").split("&") if pair]


def _stray_character(found: re.Match[str], names: Sequence[str]) -> str | None:
    """Advice on a character that is not percent-encoded in the user, the password or a parameter: the URL is then taken apart in the wrong place."""
    authority, path, query = (found[part] or "" for part in ("authority", "path", "query"))
    if authority.count("@") > 1:
        return _encode("@")
    if found["rest"] is not None:
        return _encode("#")
    if "@" not in authority and "@" in path:
        return _encode("/")
    # An @ behind the ? may be meant, or the ? is part of a password. It is meant if there are only known parameters.
    if "@" not in authority and "@" in query and not _KNOWN_NAMES.issuperset(names):
        return _encode("?")
    if _STRAY_PERCENT.search(authority + path + query):
        return _encode("%")
    return None


def _encode(character: str) -> str:
    return f"a {character} in the user, the password or a parameter is to be written %{ord(character):02X}"


def _translated(name: str, value: str) -> tuple[str, str]:
    """A parameter under libpq's name."""
    if (name, value) == ("ssl", "true"):
        # JDBC's, which libpq takes for this too.
        return "sslmode", "require"
    if name in KNOWN or name in _SYNONYMS:
        return _SYNONYMS.get(name, name), value
    shown = f"parameter {name!r}" if _NAME.fullmatch(name) else "a parameter after the ?"
    raise Misconfigured(f"FORWARDER_DATABASE_URL: {shown} is unknown to libpq; {_advice_on_name(name)}")


def _advice_on_name(name: str) -> str:
    advice = nearest(name, KNOWN)
    return (
        advice if advice.endswith("?") else "leave it out, or write options=-c%20NAME=VALUE for a setting of the server"
    )


def _user(user: str) -> dict[str, str]:
    name, _, password = user.partition(":")
    return {"user": unquote(name), "password": unquote(password)}


def _hosts(address: str) -> dict[str, str]:
    """``host`` and ``port``, each a list with commas if there are several."""
    hosts, ports = [], []
    for part in address.split(","):
        found = re.fullmatch(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>\d*))?", part)
        if found is None:
            # Without the text, which may be a password.
            raise _malformed(f"behind the last @ should be HOST:PORT, and the port is no number; write {EXAMPLE}")
        hosts.append(unquote(found["host"].strip("[]")))
        ports.append(found["port"] or "")
    lists = {"host": ",".join(hosts), "port": ",".join(ports)}
    return {name: value for name, value in lists.items() if value.strip(",")}
