"""A PostgreSQL that speaks TLS, with an authority of its own. The one of the wheel does not speak it; that of Debian does."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from forwarder.local import launch
from forwarder.local.postgres import EmbeddedPostgres, embedded_postgres
from tests.certificates import Authority, Issued
from tests.clusters import data_of
from tests.databases import connected
from tests.waiting import eventually

ROLES = ("app", "needs_certificate", "certified")
# hostssl alone for `app`; for `certified` the certificate stands in for the password.
HBA = """
host all postgres all trust
hostssl all app all trust
hostssl all needs_certificate all trust clientcert=verify-ca
hostssl all certified all cert
"""


def tls_binaries(given: Path | None) -> Path:
    """The programs of a PostgreSQL that speaks TLS; skips the test if there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    candidates: list[Path] = [given, *debian] if given else debian
    for binaries in candidates:
        if b"SSL_CTX_new" in (binaries / "postgres").read_bytes():
            return binaries
    raise pytest.skip.Exception("no PostgreSQL with TLS: apt-get install postgresql")


class TlsServer:
    """A server of ``authority``, for as long as its certificate is."""

    def __init__(self, server: EmbeddedPostgres, authority: Authority) -> None:
        self.server = server
        self.authority = authority

    def url(self, user: str, **parameters: object) -> str:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"{self.server.url(user=user)}?{query}"

    async def shows(self, issued: Issued, **settings: str) -> None:
        """Have it show another certificate from now on, with other settings of TLS."""
        data = data_of(self.server)
        for source, name in (
            (issued.certificate, "server.crt"),
            (issued.key, "server.key"),
            (self.authority.certificate, "root.crt"),
        ):
            copy = data / name
            shutil.copy(source, copy)
            copy.chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(copy, launch.UNPRIVILEGED_USER)
        async with connected(self.server.url()) as superuser:
            before = await superuser.fetchval("SELECT pg_conf_load_time()")
            for name, value in {"ssl": "on", "ssl_ca_file": "root.crt", **settings}.items():
                await superuser.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            await superuser.execute("SELECT pg_reload_conf()")

            async def reloaded() -> bool:
                return bool(await superuser.fetchval("SELECT pg_conf_load_time() > $1", before))

            await eventually(reloaded)


@asynccontextmanager
async def tls_server(directory: Path, binaries: Path, *, parent: Path | None) -> AsyncIterator[TlsServer]:
    """One for the length of a block, that shows a good certificate of 127.0.0.1."""
    async with embedded_postgres(bin_directory=binaries, durable=False, parent_directory=parent) as server:
        (data_of(server) / "pg_hba.conf").write_text(HBA)
        async with connected(server.url()) as superuser:
            for role in ROLES:
                await superuser.execute(f"CREATE ROLE {role} LOGIN")
        found = TlsServer(server, Authority(directory, "ours"))
        await found.shows(found.authority.issue("good", "127.0.0.1"))
        yield found
