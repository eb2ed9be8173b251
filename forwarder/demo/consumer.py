"""The consumer: reads every shard of the stream with an ordinary AWS client."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from anyio.abc import TaskGroup

from forwarder.demo.ledger import Arrival, Change

# Kinesis allows five reads a second of one shard. Latency does not count this pause: it is taken from the arrival times in the records.
_READ_INTERVAL_SECONDS = 0.25

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


def arrival(data: bytes, *, at: float, shard: str) -> Arrival:
    """What the audit needs of a record in the native format."""
    record = _decode(data)
    version = record.after.version if record.after else record.before.version + 1 if record.before else 0
    change = Change(record.table, tuple((record.key or {}).values()), record.op, version)
    return Arrival(id=record.id, seq=record.seq, change=change, at=at, shard=shard, data=data)


class Consumer:
    """Follows every shard of a stream from its first record on, and those into which it is split or merged."""

    def __init__(self, client: Any, stream: str, *, deliver: Callable[[Arrival], None]) -> None:
        self._client = client
        self._stream = stream
        self._deliver = deliver
        self._open: set[str] = set()
        self._started: set[str] = set()
        self._behind: set[str] = set()
        self._arrived = anyio.Event()
        self._caught_up = anyio.Event()

    async def run(self) -> None:
        """Read until cancelled."""
        answer = await self._client.list_shards(StreamName=self._stream)
        async with anyio.create_task_group() as tasks:
            for shard in answer["Shards"]:
                self._start(tasks, shard["ShardId"])

    async def next_arrivals(self) -> None:
        """Return when more records have come out."""
        self._arrived = anyio.Event()
        await self._arrived.wait()

    async def caught_up(self) -> None:
        """Return when every shard was read to its end, by a request that began after this call."""
        self._behind = set(self._open)
        self._caught_up = anyio.Event()
        await self._caught_up.wait()

    def _start(self, tasks: TaskGroup, shard: str) -> None:
        if shard not in self._started:
            self._started.add(shard)
            self._open.add(shard)
            tasks.start_soon(self._follow, tasks, shard)

    async def _follow(self, tasks: TaskGroup, shard: str) -> None:
        iterator = await self._first_iterator(shard)
        children: Sequence[dict[str, Any]] = ()
        while iterator:
            behind = self._behind
            answer = await self._client.get_records(ShardIterator=iterator)
            self._take(shard, answer["Records"])
            if answer["MillisBehindLatest"] == 0:
                self._at_end(shard, behind)
            iterator, children = answer.get("NextShardIterator"), answer.get("ChildShards", ())
            await anyio.sleep(_READ_INTERVAL_SECONDS)
        self._open.discard(shard)
        for child in children:
            # A child of a merge is begun when both of its parents have been read to the end: older records of a key are in one of them.
            if self._open.isdisjoint(child["ParentShards"]):
                self._start(tasks, child["ShardId"])

    async def _first_iterator(self, shard: str) -> str | None:
        answer = await self._client.get_shard_iterator(
            StreamName=self._stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )
        iterator: str | None = answer["ShardIterator"]
        return iterator

    def _take(self, shard: str, records: Sequence[dict[str, Any]]) -> None:
        for record in records:
            at = record["ApproximateArrivalTimestamp"].timestamp()
            self._deliver(arrival(record["Data"], at=at, shard=shard))
        if records:
            self._arrived.set()

    def _at_end(self, shard: str, behind: set[str]) -> None:
        behind.discard(shard)
        if not behind and behind is self._behind:
            self._caught_up.set()


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
