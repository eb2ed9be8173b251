"""The sending half of the listener alone: relay, lanes and Kinesis client, fed with records that are made on the fly."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from statistics import median

import anyio

from forwarder.config.settings import ListenSettings
from forwarder.config.sink_url import KinesisTarget, parse
from forwarder.health import ServiceState
from forwarder.metrics import Metrics
from forwarder.records.packing import Packed
from forwarder.records.record import Record
from forwarder.sinks.kinesis.sink import KinesisSink, kinesis_sink
from tests.support.relays import START, page_of, relay_to

RECORD_BYTES = 300
_SINGLE_REQUESTS = 30
_LISTEN = ListenSettings()


async def round_trip_seconds(sink_url: str) -> float:
    """How long a request of one record takes that goes alone; the median of a few."""
    target = parse(sink_url).target
    assert isinstance(target, KinesisTarget)
    async with kinesis_sink(target, max_in_flight=1, metrics=Metrics().sink("bench")) as sink:
        await sink.prepare()
        return median([await _one_record_seconds(sink) for _ in range(_SINGLE_REQUESTS)])


async def _one_record_seconds(sink: KinesisSink) -> float:
    began = time.perf_counter()
    await sink.publish([Record(0, "alone", b"." * RECORD_BYTES, {0})])
    return time.perf_counter() - began


async def deliver(sink_url: str, keys: Sequence[str], *, events: int) -> float:
    """Deliver so many events, their keys in turn, as `listen` with its default settings would; how many seconds that took."""
    target = parse(sink_url).target
    assert isinstance(target, KinesisTarget)
    metrics = Metrics().sink("bench")
    async with kinesis_sink(target, max_in_flight=_LISTEN.max_in_flight, metrics=metrics) as sink:
        await sink.prepare()
        state = ServiceState()
        relay = relay_to(
            sink,
            schedule=sink.new_schedule(),
            max_events=_LISTEN.max_events,
            max_bytes=_LISTEN.max_bytes,
            state=state,
            metrics=metrics,
        )
        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(relay.run)
            tasks.start_soon(sink.watch, state)
            for page in _pages(keys, events):
                await relay.room()
                relay.offer(page, START)
            await relay.settled()
            seconds = time.perf_counter() - began
            tasks.cancel_scope.cancel()
    return seconds


def _pages(keys: Sequence[str], events: int) -> Iterator[Packed]:
    seqs = iter(range(events))
    while page := list(islice(seqs, _LISTEN.page_rows)):
        yield page_of(*_records(keys, page, set(page)))


def _records(keys: Sequence[str], seqs: Iterable[int], undelivered: set[int]) -> Iterator[Record]:
    for seq in seqs:
        yield Record(seq, keys[seq % len(keys)], (b"seq=%012d;" % seq).ljust(RECORD_BYTES, b"."), undelivered)
