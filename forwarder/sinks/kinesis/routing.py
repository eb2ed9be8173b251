"""The sink of many streams, one for each table: ``kinesis://{schema}-{table}``. Each has a ``KinesisSink`` of its own; they share a client.

    expected ──a look──► open, or barred
    open ──a look, or the answer to a request, says that it must not be written to──► barred
    barred ──a look says that it may be──► open

A stream that is missing, or must not be written to, is barred. A look cannot tell everything: whoever may describe a stream may be refused to
write to it. So one that has refused records stays barred for a while, which doubles as long as it goes on to refuse them.

What becomes of its records meanwhile is up to ``forwarder.delivery.schedules.routed``; those of other streams do not wait for them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from math import inf
from typing import Any

import anyio

from forwarder.aws.credentials_renewal import CredentialsRenewal
from forwarder.backoff import Backoff
from forwarder.config.sink_url import KinesisTarget
from forwarder.config.stream_template import stream_of
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.schedules.routed import Routed
from forwarder.delivery.schedules.unordered import Unordered
from forwarder.delivery.sink import Rejection
from forwarder.errors import ForwarderError, Unavailable
from forwarder.events import CapturedTable
from forwarder.health import ServiceState
from forwarder.logs import Throttled
from forwarder.metrics import SinkMetrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis.sink import MAX_RECORDS, MAX_REQUEST_BYTES, KinesisSink
from forwarder.sinks.kinesis.stream_watch import (
    LEAST_MAX_RECORD_KIB,
    LOOK_AGAIN_SECONDS,
    LOOK_SECONDS,
    MOST_MAX_RECORD_KIB,
    StreamBarred,
)

# The code of records that are offered again since their stream was found to be barred.
BARRED = "StreamBarred"
# DescribeStreamSummary is limited to 20 calls a second and account, so that many streams are asked less often.
SECONDS_A_STREAM = 0.2
# The longest time from a refusal of records to the next attempt.
MOST_BARRED_SECONDS = 60.0
# So many streams are named in ``/readyz``.
MOST_NAMED = 20

logger = logging.getLogger(__name__)


class _Stream:
    """What is known of one stream."""

    __slots__ = ("barred_until", "has_answered", "is_asked", "is_left", "look_at", "objection", "pause", "sink")

    def __init__(self, name: str, sink: KinesisSink) -> None:
        self.sink = sink
        self.is_asked = False
        # Whether its tables are called otherwise now, and go to other streams.
        self.is_left = False
        # Whether it was ever found, so that its limits are known.
        self.has_answered = False
        self.objection: str | None = f"stream {name} is not looked for yet"
        self.look_at = -inf
        # Since it has refused records, whatever a look says; and for how long it is barred when it does so again.
        self.barred_until = -inf
        self.pause = Backoff(first_seconds=LOOK_AGAIN_SECONDS, max_seconds=MOST_BARRED_SECONDS)

    @property
    def is_missed(self) -> bool:
        """Whether it is barred, and a table needs it."""
        return self.is_asked and self.objection is not None and not self.is_left


class RoutedSink:
    """A sink that sends each record to the stream that it names, and meets streams as tables come."""

    max_records = MAX_RECORDS
    max_bytes = MAX_REQUEST_BYTES
    max_record_bytes = LEAST_MAX_RECORD_KIB << 10
    takes_bodies = False

    def __init__(
        self,
        client: Any,
        target: KinesisTarget,
        *,
        max_in_flight: int,
        metrics: SinkMetrics,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``report`` is told what ``learn`` waits for."""
        self._client = client
        self._target = target
        self._metrics = metrics
        self._report = report
        self._renewal = CredentialsRenewal(client, f"streams {target.stream}", metrics)
        self._streams: dict[str, _Stream] = {}
        self._names: dict[CapturedTable, str] = {}
        self._complaints = Throttled(seconds=300.0)
        self._changed = anyio.Event()
        self.max_in_flight = max_in_flight

    @property
    def region(self) -> str:
        """The region of the streams, as ``KinesisSink.region``."""
        return str(self._client.meta.region_name)

    def stream_of(self, table: CapturedTable) -> str:
        """The stream that the changes of this table go to."""
        name = self._names.get(table)
        if name is None:
            name = self._names[table] = stream_of(self._target.stream, schema=table.schema, table=table.name)
        return name

    def max_record_bytes_of(self, stream: str) -> int:
        """The most that one record may hold there now; while the stream is missing, the most that any stream takes."""
        known = self._known(stream)
        return known.sink.max_record_bytes if known.has_answered else MOST_MAX_RECORD_KIB << 10

    def max_bytes_of(self, stream: str) -> int:
        """The most that one request to it may carry now."""
        return self._known(stream).sink.max_bytes

    def objection(self, stream: str) -> str | None:
        """Why this stream is barred; None: it is not."""
        return self._known(stream).objection

    def new_schedule(self, stream: str) -> Lanes | Unordered:
        """An empty schedule for the records of one stream."""
        return self._known(stream).sink.new_schedule()

    def new_schedules(self) -> Routed:
        """An empty schedule for those of all streams."""
        return Routed(self)

    def expect(self, tables: Iterable[CapturedTable]) -> None:
        """Look for the streams of these tables soon, so that a missing one is told before it is needed."""
        for table in tables:
            self._known(self.stream_of(table))
        self._notify()

    def leave_all_but(self, tables: Iterable[CapturedTable]) -> None:
        """Miss no streams but those of these tables: others had their names from tables that were renamed."""
        needed = set(map(self.stream_of, tables))
        for name, stream in self._streams.items():
            was_missed = stream.is_missed
            stream.is_left = name not in needed
            self._tell_missed(name, was_missed=was_missed)

    async def learn(self, tables: Iterable[CapturedTable]) -> None:
        """Look for the streams of these tables now, as far as they are not known. One that is missing is known then, too.

        Raises:
            Refused: credentials or the endpoint are wrong.
        """
        for name in {self.stream_of(table): None for table in tables}:
            backoff = Backoff(first_seconds=0.2, max_seconds=5.0)
            while not self._known(name).is_asked:
                try:
                    await self._look(name)
                except Unavailable as error:
                    self._report(str(error))
                    if self._complaints.due("learn"):
                        logger.warning("waiting for the streams' endpoint", extra={"reason": str(error)})
                    await anyio.sleep(backoff.next())

    async def prepare(self) -> None:
        """Nothing to wait for: streams are met as tables come."""

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Nothing has to be opened."""
        return nullcontext()

    async def watch(self, state: ServiceState) -> None:
        """Look after all streams, their shards and the credentials until cancelled; ``state`` warns of those that are barred."""
        try:
            await self._watch_all(state)
        finally:
            state.stream_warnings = ()

    async def _watch_all(self, state: ServiceState) -> None:
        followed: set[str] = set()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._renewal.run)
            while True:
                changed = self._changed
                for name in self._streams.keys() - followed:
                    followed.add(name)
                    tasks.start_soon(self._streams[name].sink.follow_shards)
                await self._look_at_due_ones()
                state.stream_warnings = self._warnings
                due = min((stream.look_at for stream in self._streams.values()), default=inf)
                with anyio.move_on_after(due - anyio.current_time()):
                    await changed.wait()

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Offer at most 500 records of one stream in one request.

        Raises:
            Invalid: at least one of the records is refused for what it is; none is stored.
            Unavailable: no answer, or one for the whole request; any of the records may have been stored.
        """
        name = records[0].stream
        stream = self._known(name)
        try:
            rejections = await stream.sink.publish(records)
        except StreamBarred as error:
            if stream.objection is None:
                stream.barred_until = anyio.current_time() + stream.pause.next()
            self._learnt(name, str(error))
            return [
                Rejection(record=record, code=BARRED, reason=str(error), wait_seconds=LOOK_AGAIN_SECONDS)
                for record in records
            ]
        stream.pause.reset()
        return rejections

    def _known(self, name: str) -> _Stream:
        stream = self._streams.get(name)
        if stream is None:
            target = replace(self._target, stream=name)
            metrics = self._metrics.of_stream(name)
            sink = KinesisSink(self._client, target, max_in_flight=self.max_in_flight, metrics=metrics)
            stream = self._streams[name] = _Stream(name, sink)
            self._notify()
        return stream

    async def _look_at_due_ones(self) -> None:
        for name, stream in list(self._streams.items()):
            if stream.look_at > anyio.current_time():
                continue
            try:
                await self._look(name)
            except ForwarderError as error:
                # Delivery goes on: if nothing can be written to, the next request finds out.
                self._put_off(stream)
                if self._complaints.due("look"):
                    logger.warning("cannot look after the streams", extra={"reason": str(error)})

    async def _look(self, name: str) -> None:
        """Ask a stream whether it may be written to.

        Raises:
            Refused: credentials or the endpoint are wrong.
            Unavailable: nobody answers.
        """
        stream = self._streams[name]
        objection = await stream.sink.look()
        if objection is None and anyio.current_time() < stream.barred_until:
            objection = stream.objection
        self._learnt(name, objection)

    def _learnt(self, name: str, objection: str | None) -> None:
        stream = self._streams[name]
        was_missed = stream.is_missed
        stream.is_asked, stream.objection = True, objection
        stream.has_answered = stream.has_answered or objection is None
        self._put_off(stream)
        if objection and stream.is_missed and not was_missed:
            facts = {"stream": name, "reason": objection}
            logger.error("a stream cannot be written to: its records wait, others go on", extra=facts)
        elif was_missed and not objection:
            logger.info("the stream can be written to", extra={"stream": name})
        self._tell_missed(name, was_missed=was_missed)

    def _tell_missed(self, name: str, *, was_missed: bool) -> None:
        is_missed = self._streams[name].is_missed
        if is_missed != was_missed:
            self._metrics.barred(name, is_barred=is_missed)
            self._notify()

    def _put_off(self, stream: _Stream) -> None:
        """Look at it again when its turn comes: more often, if it is barred."""
        alike = sum((stream.objection is None) is (other.objection is None) for other in self._streams.values())
        seconds = LOOK_SECONDS if stream.objection is None else LOOK_AGAIN_SECONDS
        stream.look_at = anyio.current_time() + max(seconds, SECONDS_A_STREAM * alike)

    @property
    def _warnings(self) -> Sequence[str]:
        barred = [stream.objection for stream in self._streams.values() if stream.is_missed and stream.objection]
        more = len(barred) - MOST_NAMED
        return [*barred[:MOST_NAMED], *([f"and {more} more streams cannot be written to"] if more > 0 else [])]

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
