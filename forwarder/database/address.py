"""Finds out where the database is, as libpq does: what the URL says, else the service that it names, else libpq's variables (PGHOST, …)."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from forwarder.database.connection_target import (
    GET_RDS_BUNDLE,
    RDS_BUNDLE,
    ConnectionTarget,
    from_environment,
    target_of,
)
from forwarder.database.url import parse
from forwarder.errors import Misconfigured

_NOTHING: Mapping[str, str] = MappingProxyType({})


def resolve(
    url: str,
    environment: Mapping[str, str] = os.environ,
    *,
    found: Mapping[str, str] = _NOTHING,
    imposed: Mapping[str, str] = _NOTHING,
) -> ConnectionTarget:
    """What a URL means here and now.

    Args:
        found: parameters that count where neither the URL nor its service has them; libpq's variables come after them.
        imposed: parameters that count over all.

    Raises:
        Misconfigured: it is malformed, asks for something that we cannot do, or names a service that is not there.
    """
    ours, named, own = _given(url, environment)
    return target_of({**ours, **found, **named, **own, **imposed})


def password_place(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Which of the places that libpq looks into first has the password; None: none of them, so that a password file may.

    Raises:
        Misconfigured: as ``resolve``.
    """
    ours, named, own = _given(url, environment)
    places = (("FORWARDER_DATABASE_URL", own), ("the service's file", named), ("PGPASSWORD", ours))
    return next((place for place, parameters in places if parameters.get("password")), None)


def _given(url: str, environment: Mapping[str, str]) -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]:
    """The parameters of libpq's variables, of the service, and of the URL."""
    ours, own = from_environment(environment), parse(url).parameters
    service, file = ({**ours, **own}.get(name) for name in ("service", "servicefile"))
    return ours, (_service(service, environment, file=file) if service else _NOTHING), own


def require_files(target: ConnectionTarget) -> None:
    """Make sure that the files it names can be read.

    Raises:
        Misconfigured: one of them cannot.
    """
    for name, path in target.files:
        if not (os.path.isfile(path) and os.access(path, os.R_OK)):
            remedy = f"; {GET_RDS_BUNDLE}" if path == str(RDS_BUNDLE) else ""
            raise Misconfigured(f"parameter {name} of the database's address: cannot read the file {path}{remedy}")


def _service(name: str, environment: Mapping[str, str], *, file: str | None) -> Mapping[str, str]:
    """The parameters that this service stands for: https://www.postgresql.org/docs/18/libpq-pgservice.html"""
    paths = [Path(file)] if file else [*_default_paths(environment)]
    for path in paths:
        services = _read(path)
        if services.has_section(name):
            return dict(services[name])
    places = " nor in ".join(map(str, paths)) or "any file"
    raise Misconfigured(f"database service {name!r} is not in {places}; correct service in the URL, or PGSERVICE")


def _default_paths(environment: Mapping[str, str]) -> Iterator[Path]:
    if home := environment.get("HOME"):
        yield Path(home) / ".pg_service.conf"
    if directory := environment.get("PGSYSCONFDIR"):
        yield Path(directory) / "pg_service.conf"


def _read(path: Path) -> configparser.ConfigParser:
    services = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=False)
    try:
        services.read(path)
    except (OSError, configparser.Error, UnicodeDecodeError):
        # Without the parser's message, which may quote a line with a password.
        raise Misconfigured(f"{path} is no file of database services that can be read; correct PGSERVICEFILE") from None
    return services
