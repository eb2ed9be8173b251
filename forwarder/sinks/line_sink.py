"""What the sinks have in common that write one JSON record a line: files, pipes, standard output."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from anyio import to_thread

from forwarder.delivery.sink import Rejection
from forwarder.errors import Unavailable, Vanished
from forwarder.health import ServiceState
from forwarder.records.record import Body, Record


class LineSink(ABC):
    """Writes the records of a request in their order, one request at a time. A record may have any size."""

    max_records = 1000
    max_bytes = 4 << 20
    max_in_flight = 1
    max_record_bytes = sys.maxsize
    takes_bodies = True

    def __init__(self, *, name: str) -> None:
        self._name = name

    async def prepare(self) -> None:
        """Return at once: there is nothing to wait for."""
        return

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Nothing has to be opened."""
        return nullcontext()

    async def watch(self, state: ServiceState) -> None:
        """Return at once: nothing about it changes."""
        return

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Write the records.

        Raises:
            Unavailable: they cannot all be written now, since the disk is full, say; part of them may have been.
            Gone: nobody reads standard output any more.
        """
        lines: list[bytes] = []
        try:
            for record in records:
                if record.body:
                    await self._write([b"".join(lines)])
                    lines = []
                    await self._write(await _parts(record.body))
                else:
                    lines.append(record.data + b"\n")
            await self._write([b"".join(lines)])
        except OSError as error:
            raise Unavailable(f"cannot write to {self._name}: {error.strerror}") from error
        return ()

    @abstractmethod
    async def _write(self, texts: Sequence[bytes]) -> None:
        """Write all of these, whole lines together, or raise OSError."""


class PlainSink(LineSink):
    """Writes, and neither locks nor mends: to a device, or to the file to which a shell has redirected standard output."""

    def __init__(self, descriptor: int, *, name: str) -> None:
        super().__init__(name=name)
        self._descriptor = descriptor

    async def _write(self, texts: Sequence[bytes]) -> None:
        if any(texts):
            await to_thread.run_sync(write_all, self._descriptor, texts)


def write_all(descriptor: int, texts: Sequence[bytes]) -> None:
    """Write all of these; one write of the system may take only a part. Blocks."""
    for text in texts:
        remaining = memoryview(text)
        while remaining:
            remaining = remaining[os.write(descriptor, remaining) :]


async def _parts(body: Body) -> Sequence[bytes]:
    """The line of a large record, whose body is read from the database; nothing if it was a dead letter, and discarded meanwhile.

    All of it is read before any of it is written. Else a reader of a pipe would be left with half a line if the rest cannot be read.
    """
    try:
        return [*[part async for part in body.parts()], b"\n"]
    except Vanished:
        return ()
