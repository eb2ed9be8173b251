"""``auth = "secrets-manager"``: a secret of AWS Secrets Manager says as whom we log in, by which password, and where.

1. The secret is read for the first session, and kept.
2. When the server refuses what it says, it is read again: at once, by one session for all of them; and if it says the same, not before a few
   seconds later.
3. Of a rotation that changes the password before the secret, the sessions that are opened in between fail, and are opened again.

A rotation by turns has two roles, of which the secret names one; so the role is the secret's, whatever the URL says.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import anyio

from forwarder.config.database import DatabaseSettings
from forwarder.database.address import password_place, resolve
from forwarder.database.connection_target import ConnectionTarget
from forwarder.database.logins.source import Login
from forwarder.errors import Misconfigured, Refused

# After a refusal the secret is read at once, but not sooner than this after a read that was in vain. A read costs money, and there is a quota.
AGAIN_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Secret:
    """What a secret says, until the server refuses it."""

    is_renewed = True

    def __init__(self, url: str, settings: DatabaseSettings, environment: Mapping[str, str] = os.environ) -> None:
        """Take the URL, which has to leave the password out.

        Raises:
            Misconfigured: it cannot be used, or has a password.
        """
        assert settings.secret is not None, "the settings have seen to that"
        self._url = url
        self._name = settings.secret
        self._region = settings.region
        self._environment = environment
        self._reading = anyio.Lock()
        self._login: Login | None = None
        # When it was last read for a refusal, and said the same.
        self._in_vain_at: float | None = None
        if (place := password_place(url, environment)) and place != "PGPASSWORD":
            raise Misconfigured(
                f'auth = "secrets-manager" in [database]: leave the password in {place} out, since the secret has it'
            )
        self.target()

    @property
    def told(self) -> str:
        return f"secret {self._name}"

    @property
    def remedy(self) -> str:
        return f"see that {self.told} has the password that the role has, and the role may log in"

    def target(self) -> ConnectionTarget:
        return self._login.target if self._login else resolve(self._url, self._environment)

    async def login(self) -> Login:
        async with self._reading:
            if self._login is None:
                await self._read()
            assert self._login is not None
            return self._login

    async def another(self, refused: Login) -> Login | None:
        async with self._reading:
            if self._login is refused and self._may_read_again():
                # Until it has said something else.
                self._in_vain_at = anyio.current_time()
                await self._read()
            if self._login is refused:
                return None
            self._in_vain_at = None
            return self._login

    def _may_read_again(self) -> bool:
        return self._in_vain_at is None or anyio.current_time() - self._in_vain_at >= AGAIN_SECONDS

    async def _read(self) -> None:
        """Read the secret. If it says what it said before, all stays as it is."""
        # Here, since the AWS SDK takes a third of a second, and other ways to log in do without.
        from forwarder.aws.secrets import read_secret

        found = await read_secret(self._name, region=self._region)
        imposed, places = members_of(found.text, self.told)
        login = Login(target=resolve(self._url, self._environment, found=places, imposed=imposed))
        if self._login is not None and self._login != login:
            told = {"secret": self._name, "role": imposed["user"], "version": found.version}
            logger.info("the secret has changed, logging in by what it says now", extra=told)
        if self._login != login:
            self._login = login


def members_of(text: str, told: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What counts over the URL, and what counts where the URL says nothing; by libpq's names.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
    """
    try:
        members = json.loads(text)
    except ValueError:
        members = None
    if not isinstance(members, dict) or not all(_text(members.get(name)) for name in ("username", "password")):
        raise Refused(f"{told} is no JSON object with username and password, as RDS keeps them; correct its value")
    engine = _text(members.get("engine"))
    if engine and "postgres" not in engine:
        raise Refused(
            f"{told} is for another database than PostgreSQL, by its engine; name another secret in [database]"
        )
    where = {name: _text(members.get(name)) for name in ("host", "port", "dbname")}
    imposed = {"user": _text(members["username"]), "password": _text(members["password"])}
    return MappingProxyType(imposed), {name: value for name, value in where.items() if value}


def _text(value: Any) -> str:
    """A member that is a text or a number as a text; "" for all else."""
    return str(value) if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)) else ""
