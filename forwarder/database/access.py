"""The one way to a database: where it is, how one logs in, and what it means to be refused. A process has one, which its sessions share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeAlias

from forwarder.config.database import DatabaseSettings
from forwarder.database.address import require_files
from forwarder.database.connection_target import ConnectionTarget
from forwarder.database.logins.password import Password
from forwarder.database.logins.password_file import PasswordFile
from forwarder.database.logins.rds_iam import RdsIam
from forwarder.database.logins.secret import Secret
from forwarder.database.logins.source import Login, Source
from forwarder.errors import ForwarderError, Misconfigured, Refused, Unavailable


class Access:
    """How sessions of one database are opened."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._has_let_in = False

    @property
    def address(self) -> str:
        """Host, port and database, for messages; never a password."""
        try:
            return self.source.target().address
        except Misconfigured:
            return "an unreadable address"

    def target(self) -> ConnectionTarget:
        """Where it leads to, as far as that is known without asking anybody.

        Raises:
            Misconfigured: it cannot be used.
        """
        return self.source.target()

    async def login(self) -> Login:
        """What to open a session with.

        Raises:
            Misconfigured, Refused: it cannot be had.
            Unavailable: it cannot be had now; so is all that fails after it could be had before.
        """
        try:
            login = await self.source.login()
            require_files(login.target)
            return login
        except (Misconfigured, Refused) as error:
            raise self._lasting_or_passing(error) from error

    async def another(self, refused: Login) -> Login | None:
        """Another one than the server has refused; None: there is none right now.

        Raises:
            Misconfigured, Refused, Unavailable: as ``login``.
        """
        try:
            return await self.source.another(refused)
        except (Misconfigured, Refused) as error:
            raise self._lasting_or_passing(error) from error

    def let_in(self) -> None:
        """A session has been opened."""
        self._has_let_in = True

    def refused(self, message: str) -> ForwarderError:
        """What it means that the server has refused us."""
        error = Refused(message)
        return self._lasting_or_passing(error) if self.source.is_renewed else error

    def _lasting_or_passing(self, error: ForwarderError) -> ForwarderError:
        """At start it is for somebody to mend. Later somebody is changing the password, and will be done soon."""
        return Unavailable(str(error)) if self._has_let_in else error


# A URL alone is read as libpq reads it.
DatabaseAddress: TypeAlias = str | Access


def access_of(address: DatabaseAddress) -> Access:
    """The way to a database that is named by its URL, or by a way to it."""
    return address if isinstance(address, Access) else Access(Password(address))


def access_by(settings: DatabaseSettings, *, url: str, environment: Mapping[str, str] = os.environ) -> Access:
    """The way that the settings tell. ``url`` is theirs, or ``postgresql://`` where libpq's variables say all.

    Raises:
        Misconfigured: they contradict each other, or the URL cannot be used.
    """
    if settings.auth == "rds-iam":
        return Access(RdsIam(url, settings, environment))
    if settings.auth == "secrets-manager":
        return Access(Secret(url, settings, environment))
    if settings.password_file:
        return Access(PasswordFile(url, settings.password_file, environment))
    return Access(Password(url, environment))
