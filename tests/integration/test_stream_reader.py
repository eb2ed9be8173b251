"""Reading a stream: every record once, those of a key in their order, whatever becomes of shards, iterators and the network meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import pytest

from forwarder.aws.kinesis_client import kinesis_client
from forwarder.config import sink_url
from forwarder.config.sink_url import KinesisTarget
from forwarder.consumer.reading.kinesis_calls import READS_AT_ONCE, KinesisCalls
from forwarder.consumer.reading.start import Start
from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.consumer.reading.stream_reader import StreamReader
from forwarder.errors import Refused, Unavailable
from forwarder.local.kinesis.faults import Error, LoseResponse
from tests.listening import CREDENTIALS, STREAM, Served, client_of, kinesis_with_stream
from tests.waiting import eventually

KEYS = [f"key {number}" for number in range(20)]
# The middle of the range of hash keys, and of its halves.
HALF = 1 << 127
QUARTER = 1 << 126


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shrink the pauses between reads, and give the client credentials."""
    for name in ("READ_AGAIN_SECONDS", "LOOK_AGAIN_SECONDS"):
        monkeypatch.setattr(f"forwarder.consumer.reading.stream_reader.{name}", 0.01)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Reading:
    """What a reader has read so far."""

    def __init__(self) -> None:
        self.records: list[StoredRecord] = []
        self.troubles: list[str] = []

    def take(self, records: Sequence[StoredRecord]) -> None:
        self.records += records

    @property
    def texts(self) -> list[str]:
        return [record.data.decode() for record in self.records]

    async def has(self, count: int) -> None:
        """Wait until so many records have come."""

        async def enough() -> bool:
            return len(self.records) >= count

        await eventually(enough, within_seconds=20)


@asynccontextmanager
async def reader_of(
    served: Served, reading: Reading, *, start: Start = "oldest", follow: bool = False, url: str | None = None
) -> AsyncIterator[StreamReader]:
    target = sink_url.parse(url or served.sink).target
    assert isinstance(target, KinesisTarget)
    async with kinesis_client(target, max_connections=READS_AT_ONCE, reads=True) as client:
        calls = KinesisCalls(client, target.stream, attempts=None if follow else 3, report=reading.troubles.append)
        yield StreamReader(calls, start=start, follow=follow, deliver=reading.take)


async def read_all(served: Served, **options: Any) -> Reading:
    reading = Reading()
    async with reader_of(served, reading, **options) as reader:
        with anyio.fail_after(60):
            await reader.run()
    return reading


@asynccontextmanager
async def following(served: Served, *, start: Start = "oldest") -> AsyncIterator[Reading]:
    """A reader that goes on for the length of a block, and has begun with all of its shards."""
    reading = Reading()
    async with reader_of(served, reading, start=start, follow=True) as reader, anyio.create_task_group() as tasks:
        tasks.start_soon(reader.run)

        async def has_begun() -> bool:
            return reader.shards > 0

        await eventually(has_begun)
        yield reading
        tasks.cancel_scope.cancel()


class Writer:
    """Puts numbered records, and knows of each key what it has put."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.put = 0
        self.by_key: defaultdict[str, list[str]] = defaultdict(list)

    async def write(self, count: int) -> None:
        for _ in range(count):
            key = KEYS[self.put % len(KEYS)]
            await self._client.put_record(StreamName=STREAM, PartitionKey=key, Data=str(self.put).encode())
            self.by_key[key].append(str(self.put))
            self.put += 1


def by_key(reading: Reading) -> dict[str | None, list[str]]:
    found: defaultdict[str | None, list[str]] = defaultdict(list)
    for record in reading.records:
        found[record.partition_key].append(record.data.decode())
    return found


async def split(client: Any, shard: int, at: int) -> None:
    await client.split_shard(StreamName=STREAM, ShardToSplit=f"shardId-{shard:012d}", NewStartingHashKey=str(at))


async def merge(client: Any, shard: int, adjacent: int) -> None:
    await client.merge_shards(
        StreamName=STREAM, ShardToMerge=f"shardId-{shard:012d}", AdjacentShardToMerge=f"shardId-{adjacent:012d}"
    )


async def test_every_record_is_read_once_and_those_of_a_key_in_their_order(served: Served) -> None:
    async with client_of(served) as client:
        writer = Writer(client)
        await writer.write(100)
    reading = await read_all(served)
    assert by_key(reading) == writer.by_key
    assert {record.shard for record in reading.records} == {f"shardId-{number:012d}" for number in range(4)}


async def test_a_stream_may_be_named_by_its_arn(served: Served) -> None:
    async with client_of(served) as client:
        await Writer(client).write(1)
    arn = f"arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}"
    reading = await read_all(served, url=f"kinesis://{arn}?endpoint_url={served.endpoint_url}")
    assert reading.texts == ["0"]


@pytest.mark.parametrize("follow", [False, True])
async def test_children_are_read_after_their_parents(*, follow: bool) -> None:
    async with kinesis_with_stream(shards=1) as served, client_of(served) as client:
        writer = Writer(client)

        async def reshard() -> None:
            await writer.write(40)
            await split(client, 0, HALF)
            await writer.write(40)
            await split(client, 1, QUARTER)
            await writer.write(40)
            await merge(client, 4, 2)
            await writer.write(40)
            await merge(client, 3, 5)
            await writer.write(40)

        if follow:
            async with following(served) as reading:
                await reshard()
                await reading.has(200)
        else:
            await reshard()
            reading = await read_all(served)
    assert by_key(reading) == writer.by_key
    assert len({record.shard for record in reading.records}) == 7


async def test_latest_begins_with_what_comes_and_misses_nothing_of_a_reshard() -> None:
    async with kinesis_with_stream(shards=1) as served, client_of(served) as client:
        writer = Writer(client)
        await split(client, 0, HALF)
        await writer.write(20)
        async with following(served, start="latest") as reading:
            await write_until_read(writer, reading)
            first = int(reading.texts[0])
            await split(client, 1, QUARTER)
            await writer.write(40)
            await merge(client, 4, 2)
            await writer.write(40)
            await reading.has(writer.put - first)
    assert first >= 20
    assert sorted(map(int, reading.texts)) == list(range(min(map(int, reading.texts)), writer.put))


async def write_until_read(writer: Writer, reading: Reading) -> None:
    """Write records to all shards until each of them is read: only then have all readers begun."""

    async def is_read() -> bool:
        await writer.write(len(KEYS))
        return {record.shard for record in reading.records} == {"shardId-000000000001", "shardId-000000000002"}

    await eventually(is_read)
    await eventually(partial(caught_up, writer, reading))


async def caught_up(writer: Writer, reading: Reading) -> bool:
    return str(writer.put - 1) in reading.texts


async def test_a_time_is_one_to_begin_with() -> None:
    clock = Clock()
    async with kinesis_with_stream(clock=clock) as served, client_of(served) as client:
        writer = Writer(client)
        await writer.write(20)
        clock.now += 10
        since = datetime.fromtimestamp(clock.now - 1, UTC)
        await writer.write(20)
        await client.update_shard_count(StreamName=STREAM, TargetShardCount=8, ScalingType="UNIFORM_SCALING")
        await writer.write(20)
        reading = await read_all(served, start=since)
    assert sorted(map(int, reading.texts)) == list(range(20, 60))
    assert all(record.arrived_at and record.arrived_at >= since for record in reading.records)


@pytest.mark.parametrize("start", ["oldest", "latest"])
async def test_an_iterator_that_has_expired_is_replaced(start: Start) -> None:
    clock = Clock()
    async with kinesis_with_stream(shards=1, clock=clock) as served, client_of(served) as client:
        writer = Writer(client)
        async with following(served, start=start) as reading:
            await eventually(partial(write_one, writer, reading))
            clock.now += 301
            await writer.write(20)
            await eventually(partial(caught_up, writer, reading))
    assert reading.texts == [str(number) for number in range(int(reading.texts[0]), writer.put)]


async def write_one(writer: Writer, reading: Reading) -> bool:
    await writer.write(1)
    return bool(reading.records)


@pytest.mark.parametrize(
    "fault",
    [
        Error(operation="GetRecords", error_code="ProvisionedThroughputExceededException", status=400, times=6),
        Error(operation="GetShardIterator", times=2),
        LoseResponse(operation="GetRecords", times=2),
    ],
)
async def test_what_passes_is_waited_for(served: Served, fault: Error | LoseResponse) -> None:
    async with client_of(served) as client:
        await Writer(client).write(40)
    served.kinesis.faults.replace([fault])
    reading = await read_all(served)
    assert sorted(map(int, reading.texts)) == list(range(40))


async def test_a_reader_that_exceeds_the_rate_of_a_shard_goes_on_when_it_may() -> None:
    async with kinesis_with_stream(shards=1, limits=True) as served, client_of(served) as client:
        data = b"x" * (1 << 19)
        for _ in range(2):
            await client.put_record(StreamName=STREAM, PartitionKey="key", Data=data)
        async with following(served) as reading:
            await reading.has(2)
    assert not reading.troubles


async def test_an_answer_may_be_as_large_as_kinesis_gives_them(served: Served) -> None:
    async with client_of(served) as client:
        for number in range(9):
            await client.put_record(StreamName=STREAM, PartitionKey="key", Data=bytes([number]) * 1_000_000)
    assert len((await read_all(served)).records) == 9


async def test_a_stream_that_is_not_there_is_refused(served: Served) -> None:
    with pytest.raises(Refused, match=r"stream nope: ResourceNotFoundException.*create the stream"):
        await read_all(served, url=served.sink.replace(STREAM, "nope"))


async def test_an_endpoint_that_never_answers_is_given_up_at_once() -> None:
    async with kinesis_with_stream() as served:
        pass
    with pytest.raises(Unavailable, match="check region and endpoint_url"):
        await read_all(served)
