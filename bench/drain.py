"""How fast a backlog is delivered, in CBOR and in JSON, beside how fast its two ends are alone."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from bench.figures import Figure, ratios
from bench.listener import Drained, listen_once
from bench.pgbench import produce
from bench.rig import CAPTURED, Rig, rig
from bench.size import Size
from forwarder.config.settings import ListenSettings
from forwarder.config.sink_url import KinesisTarget, parse
from forwarder.database.sessions import session
from forwarder.metrics import Metrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis.sink import MAX_RECORDS, KinesisSink, kinesis_sink

_LISTEN = ListenSettings()
_KEYS = 10_000
# An option of the sink's URL.
_JSON = "&protocol=json"
_PAGE = """
    SELECT seq, txid, at, table_id, relation, op, before, after, fault, context, extra, octet_length(concat(before, after))::bigint AS image_bytes
    FROM forwarder.outbox WHERE seq > $1 ORDER BY seq LIMIT $2
"""


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """Events a second of `listen --once`, of reading the same rows, and of putting the same bytes."""
    drained: list[Drained] = []
    in_json: list[Drained] = []
    start_ups: list[Drained] = []
    reading: list[float] = []
    putting: list[float] = []
    putting_json: list[float] = []
    plain: list[float] = []
    async with rig() as ready, ready.sink() as sink_url:
        await produce(ready, size.drain_events)
        events = await ready.connection.fetchval("SELECT count(*) FROM forwarder.outbox")
        records = await _records(ready)
        for _ in range(runs):
            for runs_in, options in ((drained, ""), (in_json, _JSON)):
                await ready.rewind()
                runs_in.append(await listen_once(ready, sink_url + options))
            start_ups.append(await listen_once(ready, sink_url))
            reading.append(events / await _read(ready.url))
            putting.append(events / await _put(records, sink_url))
            putting_json.append(events / await _put(records, sink_url + _JSON))
            plain.append(events / await _put_plainly(records, sink_url))
        record_bytes = records.stat().st_size / events
    rates = [events / run.drain_seconds for run in drained]
    limits = [1 / (1 / read + 1 / put) for read, put in zip(reading, putting, strict=True)]
    return [
        Figure(name=f"drain of {events:,} events", unit="events/s", runs=rates, at_least=100_000),
        Figure(name="… by the wall clock, start-up included", unit="events/s", runs=_by_wall_clock(events, drained)),
        Figure(
            name="… CPU of the listener, start-up not included",
            unit="µs/event",
            runs=_cpu(events, drained, start_ups),
            at_most=8.3,
            digits=1,
        ),
        Figure(name="… CPU in JSON", unit="µs/event", runs=_cpu(events, in_json, start_ups), digits=1),
        Figure(name="reading the same rows alone", unit="events/s", runs=reading),
        Figure(name="putting the same bytes alone", unit="events/s", runs=putting),
        Figure(name="… in JSON", unit="events/s", runs=putting_json),
        Figure(name="putting them by plain aiobotocore", unit="events/s", runs=plain),
        Figure(name="drain / plain aiobotocore", unit="x", runs=ratios(rates, plain), at_least=1.3, digits=2),
        Figure(name="the limit: reading, then putting", unit="events/s", runs=limits),
        Figure(name="drain / limit", unit="x", runs=ratios(rates, limits), digits=2),
        Figure(name="mean record", unit="bytes", runs=[record_bytes]),
    ]


async def _records(ready: Rig) -> Path:
    """What the listener makes of the backlog, one record a line. It also brings the rows into memory for all that follow."""
    path = ready.directory / "records"
    await listen_once(ready, f"file:{path}")
    return path


async def _read(url: str) -> float:
    """Seconds that asyncpg takes to read the outbox, in pages as large as the listener's."""
    async with session(url, purpose="bench") as connection:
        began, seq = time.perf_counter(), 0
        while rows := await connection.fetch(_PAGE, seq, _LISTEN.page_rows):
            seq = rows[-1]["seq"]
        return time.perf_counter() - began


async def _put(records: Path, sink_url: str) -> float:
    """Seconds that the sink takes for the records, as many requests in flight as the listener has."""
    target = parse(sink_url).target
    assert isinstance(target, KinesisTarget)
    async with kinesis_sink(target, max_in_flight=_LISTEN.max_in_flight, metrics=Metrics().sink("bench")) as sink:
        await sink.prepare()
        began, requests = time.perf_counter(), _requests(records)
        async with anyio.create_task_group() as tasks:
            for _ in range(_LISTEN.max_in_flight):
                tasks.start_soon(_publish, sink, requests)
        return time.perf_counter() - began


async def _publish(sink: KinesisSink, requests: Iterator[Sequence[Record]]) -> None:
    for request in requests:
        rejections = await sink.publish(request)
        assert not rejections, "the sink has no limits"


async def _put_plainly(records: Path, sink_url: str) -> float:
    """The same by the client as it comes, without validation: it serialises the requests and parses the answers itself."""
    target = parse(sink_url).target
    assert isinstance(target, KinesisTarget)
    config = AioConfig(parameter_validation=False, max_pool_connections=_LISTEN.max_in_flight)
    async with get_session().create_client("kinesis", endpoint_url=target.endpoint_url, config=config) as client:
        began, requests = time.perf_counter(), _requests(records)
        async with anyio.create_task_group() as tasks:
            for _ in range(_LISTEN.max_in_flight):
                tasks.start_soon(_publish_plainly, client, target.stream, requests)
        return time.perf_counter() - began


async def _publish_plainly(client: Any, stream: str, requests: Iterator[Sequence[Record]]) -> None:
    for request in requests:
        entries = [{"Data": record.data, "PartitionKey": record.partition_key} for record in request]
        answer = await client.put_records(StreamName=stream, Records=entries)
        assert not answer["FailedRecordCount"], "the sink has no limits"


def _requests(records: Path) -> Iterator[Sequence[Record]]:
    with records.open("rb") as lines:
        seq = 0
        while request := [
            Record(number, f"{CAPTURED}.item.{number % _KEYS}", line.rstrip(), set())
            for number, line in enumerate(islice(lines, MAX_RECORDS), seq)
        ]:
            seq += len(request)
            yield request


def _cpu(events: int, drained: Sequence[Drained], start_ups: Sequence[Drained]) -> Sequence[float]:
    """Microseconds an event."""
    return [(run.cpu_seconds - idle.cpu_seconds) / events * 1e6 for run, idle in zip(drained, start_ups, strict=True)]


def _by_wall_clock(events: int, drained: Sequence[Drained]) -> Sequence[float]:
    return [events / run.wall_seconds for run in drained]
