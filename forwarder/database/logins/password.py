"""``auth = "password"`` without a ``password_file``: the password is where libpq looks for one.

That is the URL, else the service that it names, else PGPASSWORD, else the file of passwords (``passfile``, PGPASSFILE, ``~/.pgpass``).
"""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import anyio

from forwarder.database.address import password_place, resolve
from forwarder.database.connection_target import ConnectionTarget
from forwarder.database.logins.passfile import Passfile, passfile_path, read_passfile
from forwarder.database.logins.source import Login

logger = logging.getLogger(__name__)

NO_PASSWORD = "no password"


class Password:
    """The password that libpq would find. A file of passwords is read at each connect."""

    def __init__(self, url: str, environment: Mapping[str, str] = os.environ) -> None:
        self._url = url
        self._environment = environment
        # The file that had a password when it was read last.
        self._file: Path | None = None
        self._complaint: str | None = None
        self._has_looked = False

    @property
    def told(self) -> str:
        place = password_place(self._url, self._environment)
        if place:
            return f"the password in {place}"
        if self._file:
            return f"the password in {self._file}"
        path = passfile_path(self.target().passfile, self._environment)
        if path and path.is_file() and not self._has_looked:
            return f"the password in {path}, if it has one"
        return NO_PASSWORD

    @property
    def remedy(self) -> str:
        if self._complaint:
            return f"{self._complaint}; or check the user in FORWARDER_DATABASE_URL"
        place = password_place(self._url, self._environment)
        if place in (None, "FORWARDER_DATABASE_URL") and not self._file:
            return "check the user and the password in FORWARDER_DATABASE_URL"
        return f"check the user in FORWARDER_DATABASE_URL and {self.told}"

    @property
    def is_renewed(self) -> bool:
        return self._file is not None

    def target(self) -> ConnectionTarget:
        return resolve(self._url, self._environment)

    async def login(self) -> Login:
        target = self.target()
        if target.has_password:
            return Login(target=target)
        path = passfile_path(target.passfile, self._environment)
        passfile = await anyio.to_thread.run_sync(read_passfile, path) if path else Passfile()
        if passfile.complaint and passfile.complaint != self._complaint:
            logger.warning("file of passwords ignored", extra={"reason": passfile.complaint})
        self._complaint, self._has_looked = passfile.complaint, True
        passwords = _of_places(target, passfile)
        self._file = path if any(passwords) else None
        # Empty ones, too: asyncpg would read the file for itself if none were given.
        return Login(target=target, passwords=passwords)

    async def another(self, refused: Login) -> Login | None:
        return None


def _of_places(target: ConnectionTarget, passfile: Passfile) -> tuple[str, ...]:
    user = target.user or (_own_name() if passfile.lines else "")
    return tuple(
        passfile.password(host=host, port=port, dbname=target.dbname or user, user=user) or ""
        for host, port in target.places
    )


def _own_name() -> str:
    """As whom one logs in who names nobody; "" if this system has no name for us."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
