"""A door in front of a PostgreSQL that speaks TLS for it, and may ask at the door for a token, as RDS does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import digest
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import anyio

SSL_REQUEST_BYTES = 8
TOKEN_LIFE = timedelta(minutes=15)

# What is done at the door before the server is reached, and what it is sent first; None: nobody is let in.
Porter = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes | None]]


async def nobody(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> bytes:
    return b""


@asynccontextmanager
async def tls_door(url: str, certificate: Path, porter: Porter = nobody) -> AsyncIterator[str]:
    """The same address behind TLS, for the length of a block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    parts = urlsplit(url)

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readexactly(SSL_REQUEST_BYTES)
            writer.write(b"S")
            await writer.start_tls(context)
            if (first := await porter(reader, writer)) is None:
                writer.close()
                return
            behind, ahead = await asyncio.open_connection(parts.hostname, parts.port)
            ahead.write(first)
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


class TokenPorter:
    """Lets those in who have a token that RDS would take: signed by this secret key, for this endpoint and role, and young enough."""

    def __init__(self, *, endpoint: str, region: str, secret_key: str) -> None:
        self.endpoint = endpoint
        self._region = region
        self._secret_key = secret_key
        self.now: Callable[[], datetime] = _now
        # All that it was shown, with what was wrong with each; None: nothing.
        self.shown: list[tuple[str, str | None]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        startup = await _message(reader)
        fields = startup[8:].split(b"\0")
        role = fields[fields.index(b"user") + 1].decode()
        # AuthenticationCleartextPassword: https://www.postgresql.org/docs/18/protocol-message-formats.html
        writer.write(b"R" + (8).to_bytes(4) + (3).to_bytes(4))
        await reader.readexactly(1)
        token = (await _message(reader))[4:-1].decode()
        problem = self.problem(token, role)
        self.shown.append((token, problem))
        if problem is None:
            return startup
        said = f'SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user "{role}"\0\0'.encode()
        writer.write(b"E" + (len(said) + 4).to_bytes(4) + said)
        await writer.drain()
        return None

    def problem(self, token: str, role: str) -> str | None:
        """What is wrong with a token; None: nothing."""
        parts = urlsplit(f"https://{token}")
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.netloc != self.endpoint:
            return "another endpoint"
        if (asked.get("Action"), asked.get("DBUser")) != ("connect", role):
            return "another role"
        if f"/{self._region}/rds-db/aws4_request" not in asked["X-Amz-Credential"]:
            return "another region"
        if asked["X-Amz-Signature"] != self._signature(parts.query, asked):
            return "another signature"
        signed_at = datetime.strptime(asked["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return None if timedelta(minutes=-5) < self.now() - signed_at < TOKEN_LIFE else "too old"

    def _signature(self, query: str, asked: dict[str, str]) -> str:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"""
        pairs = sorted(pair for pair in parse_qsl(query) if pair[0] != "X-Amz-Signature")
        canonical = urlencode(pairs, quote_via=quote)
        nothing = sha256(b"").hexdigest()
        request = "\n".join(("GET", "/", canonical, f"host:{self.endpoint}", "", "host", nothing))
        scope = asked["X-Amz-Credential"].split("/", 1)[1]
        to_sign = "\n".join(("AWS4-HMAC-SHA256", asked["X-Amz-Date"], scope, sha256(request.encode()).hexdigest()))
        key = f"AWS4{self._secret_key}".encode()
        for part in scope.split("/"):
            key = digest(key, part.encode(), "sha256")
        return digest(key, to_sign.encode(), "sha256").hex()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """The length of a message, and what it is of."""
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size) - 4)


def _now() -> datetime:
    return datetime.now(UTC)
