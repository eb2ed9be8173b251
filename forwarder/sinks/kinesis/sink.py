"""The Kinesis sink: sends a batch of records in one PutRecords request, and says what its answer means for each of them.

What it needs to know for that is kept by one module each: ``put_records`` (how to send), ``shards`` (which shard throttles),
``stream_watch`` (whether the stream may be written to), ``request_limit`` (how large a request may be) and ``order_audit`` (whether the
stream keeps the order).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import asdict
from typing import Any

import anyio

from forwarder.aws import redaction
from forwarder.aws.credentials_renewal import CredentialsRenewal
from forwarder.aws.errors import INVALID, TOO_LARGE, reason
from forwarder.aws.kinesis_client import kinesis_client
from forwarder.config.sink_url import KinesisTarget
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.schedules.unordered import Unordered
from forwarder.delivery.sink import Rejection
from forwarder.errors import ForwarderError, Invalid, Refused, TooLarge, Unavailable
from forwarder.health import ServiceState
from forwarder.logs import Throttled
from forwarder.metrics import SinkMetrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis.order_audit import OrderAudit, Regression
from forwarder.sinks.kinesis.put_records import PutRecords
from forwarder.sinks.kinesis.request_limit import LEAST_BYTES, RequestLimit, Verdict
from forwarder.sinks.kinesis.shards import KinesisShards
from forwarder.sinks.kinesis.stream_watch import KinesisWatch, StreamBarred, is_of_stream

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html; sizes count data and partition keys.
MAX_RECORDS = 500
MAX_REQUEST_BYTES = 10 << 20

logger = logging.getLogger(__name__)


class KinesisSink:
    """The sink of one stream."""

    max_records = MAX_RECORDS
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
        is_ordered = target.ordering == "strict"
        self._client = client
        self._put = PutRecords(client, target.stream, protocol=target.protocol)
        self._watch = KinesisWatch(client, target.stream, is_ordered=is_ordered, report=report)
        self._shards = KinesisShards(
            client,
            target.stream,
            is_ordered=is_ordered,
            aggregates=target.aggregation == "kpl",
            metrics=metrics,
        )
        self._renewal = CredentialsRenewal(client, f"stream {target.stream}", metrics)
        self._audit = OrderAudit() if is_ordered else None
        self._complaints = Throttled(seconds=10.0)
        self._size_complaints = Throttled(seconds=600.0)
        self._limit = RequestLimit(max_bytes=MAX_REQUEST_BYTES)
        self._metrics = metrics
        self._is_rehearsed = False
        self.max_in_flight = max_in_flight

    @property
    def region(self) -> str:
        """The region of the stream: that of the target, or what the SDK has found in its environment."""
        return str(self._client.meta.region_name)

    @property
    def max_bytes(self) -> int:
        """The most that one request may carry: what Kinesis takes, or less where that was too much for somebody on the way."""
        return self._limit.bytes

    @property
    def max_record_bytes(self) -> int:
        """The stream's own limit for data and partition key of one record; looked up again while we deliver."""
        return self._watch.max_record_bytes

    def new_schedule(self) -> Lanes | Unordered:
        """An empty schedule, which keeps to the pace of this stream's shards, and the order of its keys if that is asked for."""
        return self._shards.new_schedule()

    async def prepare(self) -> None:
        """Wait for an endpoint that does not answer yet, and for a stream that is being created, and say so.

        Raises:
            Refused: waiting cannot mend it.
        """
        await self._watch.until_ready()
        await self._rehearse()

    async def look(self) -> str | None:
        """Ask the stream once; why it must not be written to now, or None if it may be.

        Raises:
            Refused: credentials or the endpoint are wrong, for any stream.
            Unavailable: nobody answers.
        """
        try:
            await self._watch.look()
            if not (self._watch.objection or self._is_rehearsed):
                await self._rehearse()
        except Refused as error:
            if not is_of_stream(error):
                raise
            return str(error)
        return self._watch.objection

    async def _rehearse(self) -> None:
        await self._put.choose_way()
        await self._put.rehearse(endpoint_knows_dry_runs=self._watch.tells_distribution)
        self._is_rehearsed = True

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Nothing has to be opened: a stream takes records from whoever sends them."""
        return nullcontext()

    async def watch(self, state: ServiceState) -> None:
        """Look after the stream, its shards and the credentials until cancelled.

        While the stream must not be written to, ``publish`` raises ``Unavailable``, and the state says why.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._renewal.run)
            tasks.start_soon(self.follow_shards)
            tasks.start_soon(self._watch.run, state)

    async def follow_shards(self) -> None:
        """The part of ``watch`` that looks after the shards."""
        await self._shards.run()

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Offer at most 500 records in one request.

        Raises:
            Invalid: at least one of the records is refused for what it is; none is stored.
            StreamBarred: the stream must not be written to, and none of the records is stored.
            Unavailable: no answer, or one for the whole request; any of the records may have been stored.
        """
        try:
            return await self._offer(records)
        except ForwarderError:
            self._limit.failed(record.seq for record in records)
            raise

    async def _offer(self, records: Sequence[Record]) -> Sequence[Rejection]:
        if self._watch.objection:
            raise StreamBarred(self._watch.objection)
        marks = self._audit.marks() if self._audit else {}
        sent = anyio.current_time()
        try:
            answer = await self._put.send(records)
        except TooLarge as error:
            return await self._refused(records, error)
        except Invalid:
            raise
        except Refused as error:
            # It worked at start; a permission that was withdrawn since, say, may be given back while we keep trying.
            self._is_rehearsed = False
            raise (StreamBarred if is_of_stream(error) else Unavailable)(str(error)) from error
        if not self._limit.is_untried:
            self._limit.passed(_bytes(records), body_bytes=self._put.body_bytes(records), now=anyio.current_time())
        if self._audit and (regressions := self._audit.check(answer, marks)):
            self._report(regressions)
        self._shards.learn(records, answer, sent=sent, now=anyio.current_time())
        return [
            Rejection(
                record=records[place],
                code=redaction.code(refusal.code),
                reason=reason(refusal.message),
                is_final=refusal.code in INVALID,
            )
            for place, refusal in answer.refused.items()
        ]

    async def _refused(self, records: Sequence[Record], error: TooLarge) -> Sequence[Rejection]:
        """What becomes of records whose request was refused for its size.

        Raises:
            Unavailable: requests are refused whatever their size.
        """
        size, now = self._put.body_bytes(records), anyio.current_time()
        if len(records) > 1 or records[0].followers:
            is_worth_dividing = self._limit.refused(_bytes(records), body_bytes=size, now=now)
            if not is_worth_dividing:
                raise Unavailable(f"{error}; a body of {size} bytes is refused, too") from error
            if self._size_complaints.due("size"):
                facts = {"reason": str(error), "max_bytes": self._limit.bytes}
                logger.warning("a request is refused for its size: sending smaller ones", extra=facts)
            return [_too_large(record, error, is_final=len(records) == 1, wait_seconds=0.0) for record in records]
        verdict = self._limit.judge(records[0].seq, body_bytes=size, now=now)
        if verdict is Verdict.OUTAGE and size > LEAST_BYTES and await self._put.lets_empty_pass():
            # That nothing passes may mean only that nothing else is sent: all else may be waiting for this record.
            now = anyio.current_time()
            self._limit.passed(0, body_bytes=0, now=now)
            verdict = self._limit.judge(records[0].seq, body_bytes=size, now=now)
        if verdict is Verdict.OUTAGE:
            raise Unavailable(f"{error}; nothing passes, and a body of {size} bytes is refused, too") from error
        wait_seconds = self._limit.retry_seconds(records[0].seq)
        return [_too_large(records[0], error, is_final=verdict is Verdict.TOO_LARGE, wait_seconds=wait_seconds)]

    def _report(self, regressions: Sequence[Regression]) -> None:
        """Tell the operator, whose consumers may have missed a record. The key is not named, since it may hold values of a row."""
        for regression in regressions:
            self._metrics.out_of_order()
            if self._complaints.due("order"):
                logger.error(
                    "the stream has stored a record below what its shard had acknowledged before",
                    extra={name: redaction.code(said) for name, said in asdict(regression).items()},
                )


def _too_large(record: Record, error: TooLarge, *, is_final: bool, wait_seconds: float) -> Rejection:
    return Rejection(record=record, code=TOO_LARGE, reason=str(error), is_final=is_final, wait_seconds=wait_seconds)


def _bytes(records: Sequence[Record]) -> int:
    return sum(record.size + sum(len(follower.data) for follower in record.followers) for record in records)


@asynccontextmanager
async def kinesis_sink(
    target: KinesisTarget, *, max_in_flight: int, metrics: SinkMetrics, report: Callable[[str], None] = lambda _: None
) -> AsyncIterator[KinesisSink]:
    """A sink for one stream; closes its connections at the end. ``report`` is told what it waits for while it is prepared.

    Raises:
        Misconfigured: there is no such region.
        Refused: region, credentials, profile or endpoint are missing or malformed.
    """
    async with kinesis_client(target, max_connections=max_in_flight) as client:
        yield KinesisSink(client, target, max_in_flight=max_in_flight, metrics=metrics, report=report)
