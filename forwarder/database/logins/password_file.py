"""``password_file``: a file with the password alone, such as Docker and Kubernetes make of a secret."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import anyio

from forwarder.database.address import password_place, resolve
from forwarder.database.connection_target import ConnectionTarget
from forwarder.database.logins.source import Login
from forwarder.errors import Misconfigured

# A password that is longer is none.
MAX_BYTES = 4096


class PasswordFile:
    """The password in a file. It is read at each connect, so another one may be put there at any time."""

    is_renewed = True

    def __init__(self, url: str, path: Path, environment: Mapping[str, str] = os.environ) -> None:
        """Take the URL, which has to leave the password out.

        Raises:
            Misconfigured: it cannot be used, or has a password.
        """
        self._url = url
        self._path = path
        self._environment = environment
        if (place := password_place(url, environment)) and place != "PGPASSWORD":
            raise Misconfigured(
                f"there is a password in {place}, and password_file in [database]: leave one of them out"
            )
        self.target()

    @property
    def told(self) -> str:
        return f"the password in {self._path} (password_file)"

    @property
    def remedy(self) -> str:
        return f"check the user in FORWARDER_DATABASE_URL and {self.told}"

    def target(self) -> ConnectionTarget:
        return resolve(self._url, self._environment)

    async def login(self) -> Login:
        password = await anyio.to_thread.run_sync(_read, self._path)
        return Login(target=resolve(self._url, self._environment, imposed={"password": password}))

    async def another(self, refused: Login) -> Login | None:
        found = await self.login()
        return found if found != refused else None


def _read(path: Path) -> str:
    """The password: the only line of the file."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except OSError as error:
        raise Misconfigured(f"password_file in [database]: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"password_file in [database]: {path} is no UTF-8; it should hold the password") from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or len(text) > MAX_BYTES or {"\n", "\0"} & set(password):
        raise Misconfigured(
            f"password_file in [database]: {path} is empty, too long or more than one line; it should hold the password alone"
        )
    return password
