"""Finds out where the database is, as libpq does: what the URL says, else the service that it names, else libpq's variables (PGHOST, …)."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from forwarder.database.connection_target import ConnectionTarget, from_environment, target_of
from forwarder.database.url import parse
from forwarder.errors import Misconfigured


def resolve(url: str, environment: Mapping[str, str] = os.environ) -> ConnectionTarget:
    """What a URL means here and now.

    Raises:
        Misconfigured: it is malformed, asks for something that we cannot do, or names a service that is not there.
    """
    ours, own = from_environment(environment), parse(url).parameters
    service, file = ({**ours, **own}.get(name) for name in ("service", "servicefile"))
    named = _service(service, environment, file=file) if service else {}
    return target_of({**ours, **named, **own})


def require_files(target: ConnectionTarget) -> None:
    """Make sure that the files it names can be read.

    Raises:
        Misconfigured: one of them cannot.
    """
    for name, path in target.files:
        if not (os.path.isfile(path) and os.access(path, os.R_OK)):
            raise Misconfigured(f"parameter {name} of the database's address: cannot read the file {path}")


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
