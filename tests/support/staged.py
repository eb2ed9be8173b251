"""``python -m tests.support.staged SCENE [PORT] [TOKEN]``: the page of ``forwarder listen``, with what a scene says in place of a listener's word."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from pydantic import TypeAdapter

from forwarder.status.assets import read_assets
from forwarder.status.document import Table
from tests.support.ports import free_port
from tests.support.scenes import Scene

TABLES = TypeAdapter(list[Table])


class Staged:
    """The server: its scene and its token can be changed, and its streams cut, while a page looks at it."""

    def __init__(self, scene: str, *, token: str = "", clock: Callable[[], float] = time.time) -> None:
        self.scene = scene
        self.token = token
        self.is_mute = False
        self.refuses = 0
        self.port = free_port()
        self._clock = clock
        self._began_at = clock()
        self._cut = asyncio.Event()

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/"

    def cut(self) -> None:
        """End all streams."""
        self._cut.set()
        self._cut = asyncio.Event()

    async def page(self, request: web.Request) -> web.Response:
        """One of its files, as it is now."""
        asset = read_assets().get(request.match_info.get("name", "index.html"))
        if asset is None:
            raise web.HTTPNotFound
        return asset.answer(request)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The stream of events, as the listener's."""
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPUnauthorized
        if self.refuses:
            self.refuses -= 1
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        # The page has gone, and takes no more.
        with suppress(ConnectionResetError):
            await self._go_on(response)
        return response

    async def _go_on(self, response: web.StreamResponse) -> None:
        scene = Scene(self.scene, began_at=self._began_at)
        await self._say(response, "history", scene.history(int(self._clock())).model_dump_json())
        cut, said = self._cut, 0
        while not cut.is_set():
            scene.name = self.scene
            document = scene.document(int(self._clock()))
            if not self.is_mute:
                await self._say(response, "status", document.model_copy(update={"tables": []}).model_dump_json())
                if said % 5 == 0:
                    await self._say(response, "tables", TABLES.dump_json(list(document.tables)).decode())
                said += 1
            try:
                async with asyncio.timeout(1):
                    await cut.wait()
            except TimeoutError:
                continue

    async def _say(self, response: web.StreamResponse, event: str, data: str) -> None:
        await response.write(f"retry: 1000\nevent: {event}\ndata: {data}\n\n".encode())


@asynccontextmanager
async def staged(scene: str, *, token: str = "", port: int | None = None) -> AsyncIterator[Staged]:
    """Such a server on a port of 127.0.0.1, for the length of a block."""
    server = Staged(scene, token=token)
    server.port = port or server.port
    application = web.Application()
    application.add_routes(
        [web.get("/", server.page), web.get("/assets/{name}", server.page), web.get("/api/events", server.events)]
    )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server.port).start()
    try:
        yield server
    finally:
        server.cut()
        await runner.cleanup()


async def _serve(scene: str, port: int = 8099, token: str = "") -> None:
    async with staged(scene, token=token, port=int(port)) as server:
        print(server.url)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))  # type: ignore[arg-type]
