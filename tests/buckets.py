"""A local S3, as moto makes it, for tests of what is stored there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
from aiobotocore.session import get_session
from aiohttp import web
from aiohttp.test_utils import TestServer
from moto.server import ThreadedMotoServer

from tests.listening import OPERATOR

BUCKET = "large-changes"


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class StuckS3:
    """An S3 that takes nothing until it is let go, and everything then, and keeps none of it."""

    def __init__(self, *, refuses: bool) -> None:
        """``refuses``: it denies what it does not take; else it never answers."""
        self.url = ""
        self._refuses = refuses
        self._let_go = anyio.Event()

    def let_go(self) -> None:
        self._let_go.set()

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        if self._refuses and not self._let_go.is_set():
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
        await self._let_go.wait()
        return web.Response(headers={"ETag": "any"})


@asynccontextmanager
async def stuck_s3(*, refuses: bool) -> AsyncIterator[StuckS3]:
    """One that serves for the length of a block."""
    stuck = StuckS3(refuses=refuses)
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", stuck.answer)
    server = TestServer(application)
    await server.start_server()
    stuck.url = str(server.make_url("/"))
    try:
        yield stuck
    finally:
        stuck.let_go()
        await server.close()


@asynccontextmanager
async def bucket(url: str) -> AsyncIterator[Any]:
    """A client of an S3 that has the bucket, which is emptied and deleted at the end: moto keeps it as long as the process lives."""
    async with get_session().create_client("s3", region_name="us-east-1", endpoint_url=url, **OPERATOR) as client:
        await client.create_bucket(Bucket=BUCKET)
        yield client
        for stored in (await client.list_objects_v2(Bucket=BUCKET)).get("Contents", ()):
            await client.delete_object(Bucket=BUCKET, Key=stored["Key"])
        await client.delete_bucket(Bucket=BUCKET)
