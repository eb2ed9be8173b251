"""How a connection is protected is seen at our end of it: by way of a door that speaks TLS, since the PostgreSQL of the tests does not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest

from forwarder.database.encryption import Encryption, encryption_of
from forwarder.database.sessions import session
from tests.certificates import self_signed
from tests.databases import Database

SSL_REQUEST_BYTES = 8


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


@asynccontextmanager
async def tls_door(url: str, certificate: Path) -> AsyncIterator[str]:
    """The same address behind TLS, for the length of a block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    parts = urlsplit(url)

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(SSL_REQUEST_BYTES)
        writer.write(b"S")
        await writer.start_tls(context)
        behind, ahead = await asyncio.open_connection(parts.hostname, parts.port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pump, reader, ahead)
            tasks.start_soon(pump, behind, writer)

    server = await asyncio.start_server(welcome, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield url.replace(f":{parts.port}/", f":{port}/")
    finally:
        server.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while read := await reader.read(1 << 16):
        writer.write(read)
    writer.close()


async def seen(url: str) -> Encryption:
    async with session(url, purpose="tests") as connection:
        return encryption_of(connection)


async def test_what_is_encrypted_and_what_is_checked_is_seen(database: Database, certificate: Path) -> None:
    async with tls_door(database.url, certificate) as door:
        found = {
            mode: await seen(f"{door}?sslmode={mode}&sslrootcert={certificate}")
            for mode in ("verify-ca", "verify-full")
        }
        found["require"] = await seen(f"{door}?sslmode=require")
    found["disable"] = await seen(f"{database.url}?sslmode=disable")
    assert found["disable"].protocol is None
    assert {found[mode].protocol for mode in ("require", "verify-ca", "verify-full")} == {"TLSv1.3"}
    assert {mode: (one.checks_authority, one.checks_name) for mode, one in found.items()} == {
        "disable": (False, False),
        "require": (False, False),
        "verify-ca": (True, False),
        "verify-full": (True, True),
    }
    assert all(one.is_local for one in found.values())
