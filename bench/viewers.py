"""A thousand dashboards: event streams that are read as they come, in a process of their own. ``python -m bench.viewers ADDRESS COUNT``"""

from __future__ import annotations

import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

_REQUEST = b"GET /api/events HTTP/1.1\r\nHost: bench\r\n\r\n"
_STATUS = b"event: status"
_MOST_BYTES = 1 << 16


@asynccontextmanager
async def viewers(address: str, count: int) -> AsyncIterator[list[float]]:
    """So many streams, each with a first status, for the length of a block. Then the list has how many statuses a second each was sent."""
    command = [sys.executable, "-m", "bench.viewers", address, f"{count}"]
    root = Path(__file__).parents[1]
    async with await anyio.open_process(command, stdin=subprocess.DEVNULL, stderr=None, cwd=root) as process:
        assert process.stdout is not None
        lines = BufferedByteReceiveStream(process.stdout)
        assert await lines.receive_until(b"\n", 100) == b"open"
        found: list[float] = []
        try:
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
        found.append(float(await lines.receive_until(b"\n", 100)))


def main() -> None:
    """Say when all are open; at SIGTERM, how many statuses each was sent a second since then."""
    host, _, port = sys.argv[1].rpartition(":")
    count = int(sys.argv[2])
    waiting = selectors.DefaultSelector()
    for _ in range(count):
        stream = socket.create_connection((host, int(port)))
        stream.sendall(_REQUEST)
        stream.setblocking(False)  # noqa: FBT003
        waiting.register(stream, selectors.EVENT_READ, bytearray())
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    _read(waiting, until=count)
    open_at = time.monotonic()
    sys.stdout.write("open\n")
    sys.stdout.flush()
    seen = 0
    while not ended:
        seen += _read(waiting, until=1)
    sys.stdout.write(f"{seen / count / (time.monotonic() - open_at)}\n")


def _read(waiting: selectors.BaseSelector, *, until: int) -> int:
    """Read until so many statuses have come, or a second has passed without any; how many there were."""
    seen = 0
    while seen < until:
        ready = waiting.select(timeout=1)
        for key, _ in ready:
            assert isinstance(key.fileobj, socket.socket)
            piece = key.fileobj.recv(_MOST_BYTES)
            assert piece, "the listener has ended a stream"
            # What was cut in two is seen with the next piece.
            text = key.data + piece
            seen += text.count(_STATUS)
            key.data[:] = text[-len(_STATUS) + 1 :]
        if until == 1 and not ready:
            break
    return seen


if __name__ == "__main__":
    main()
