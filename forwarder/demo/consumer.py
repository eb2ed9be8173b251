"""The consumer: reads every shard of the stream with an ordinary AWS client. Latency is taken from the arrival times in the records."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from forwarder.consumer.reading.kinesis_calls import KinesisCalls
from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.consumer.reading.stream_reader import StreamReader
from forwarder.demo.ledger import Arrival, Change

logger = logging.getLogger(__name__)

# Keeps what the user has set up for AWS from the client of the demo.
_NO_PROFILE = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class _Image(msgspec.Struct):
    version: int


class _Record(msgspec.Struct):
    id: str
    seq: int
    op: str
    table: str
    key: dict[str, int] | None
    before: _Image | None
    after: _Image | None


_decode = msgspec.json.Decoder(_Record).decode


def arrival(stored: StoredRecord) -> Arrival:
    """What the audit needs of a record in the native format."""
    assert stored.arrived_at is not None
    assert stored.shard is not None
    record = _decode(stored.data)
    version = record.after.version if record.after else record.before.version + 1 if record.before else 0
    change = Change(record.table, tuple((record.key or {}).values()), record.op, version)
    return Arrival(
        id=record.id,
        seq=record.seq,
        change=change,
        at=stored.arrived_at.timestamp(),
        shard=stored.shard,
        data=stored.data,
    )


class Consumer:
    """Follows every shard of a stream from its first record on, and those into which it is split or merged."""

    def __init__(self, client: Any, stream: str, *, deliver: Callable[[Arrival], None]) -> None:
        self._calls = KinesisCalls(client, stream, attempts=None, report=logger.warning)
        self._deliver = deliver
        self._delivered = 0
        self._arrived = anyio.Event()

    async def run(self) -> None:
        """Read until cancelled."""
        await StreamReader(self._calls, start="oldest", follow=True, deliver=self._take).run()

    async def next_arrivals(self) -> None:
        """Return when more records have come out."""
        await self._arrived.wait()

    async def caught_up(self) -> None:
        """Return when everything that the stream holds at the time of this call was read."""
        held = 0

        def count(records: Sequence[StoredRecord]) -> None:
            nonlocal held
            held += len(records)

        await StreamReader(self._calls, start="oldest", follow=False, deliver=count).run()
        while self._delivered < held:
            await self.next_arrivals()

    def _take(self, records: Sequence[StoredRecord]) -> None:
        for record in records:
            self._deliver(arrival(record))
        self._delivered += len(records)
        self._arrived.set()
        self._arrived = anyio.Event()


@asynccontextmanager
async def kinesis_client(endpoint_url: str) -> AsyncIterator[Any]:
    """A client for the local Kinesis, which takes any credentials."""
    context = AioSession(session_vars=_NO_PROFILE).create_client(
        "kinesis",
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="demo",
        aws_secret_access_key="demo",
        config=AioConfig(proxies={}),
    )
    async with context as client:
        yield client
