"""The Kinesis sink: one PutRecords request for a batch, and what its answer means for each record."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec

from forwarder import kinesis_wire
from forwarder.backoff import Backoff
from forwarder.crowd import Crowd
from forwarder.errors import Invalid, Refused, Unavailable
from forwarder.events import Record
from forwarder.kinesis_client import kinesis_client
from forwarder.kinesis_errors import INVALID, errors_of
from forwarder.kinesis_shards import KinesisShards
from forwarder.lanes import Lanes
from forwarder.metrics import SinkMetrics
from forwarder.quarantine import Rejection
from forwarder.sink_url import KinesisTarget

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html; sizes count data and partition keys.
MAX_RECORDS = 500
MAX_REQUEST_BYTES = 10 << 20

logger = logging.getLogger(__name__)


class KinesisSink:
    """One stream."""

    max_records = MAX_RECORDS
    max_bytes = MAX_REQUEST_BYTES

    def __init__(self, client: Any, target: KinesisTarget, *, max_in_flight: int, metrics: SinkMetrics) -> None:
        self._client = client
        self._stream = target.stream
        self._shards = KinesisShards(
            client,
            target.stream,
            is_ordered=target.ordering == "strict",
            aggregates=target.aggregation == "kpl",
            metrics=metrics,
        )
        kinesis_wire.install(client)
        self.max_in_flight = max_in_flight
        # The stream's own limit for data and partition key of one record; known once the stream is described.
        self.max_record_bytes = 1 << 20

    def new_schedule(self) -> Lanes | Crowd:
        """An empty schedule, which keeps the order of this stream's keys, if it is to, and the pace of its shards."""
        return self._shards.new_schedule()

    async def prepare(self) -> None:
        """Wait for an endpoint that does not answer yet, and for a stream that is being created, and say so.

        Raises:
            Refused: waiting cannot mend it.
        """
        backoff = Backoff(first_seconds=0.2, max_seconds=5.0)
        while True:
            try:
                status = await self._describe()
            except Unavailable as error:
                logger.warning("waiting for the stream's endpoint", extra={"reason": str(error)})
            else:
                if status in ("ACTIVE", "UPDATING"):
                    return
                if status == "DELETING":
                    raise Refused(f"stream {self._stream} is being deleted; create it again or name another")
                logger.info("waiting for the stream", extra={"stream": self._stream, "status": status})
            await anyio.sleep(backoff.next())

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Offer at most 500 records in one request.

        Raises:
            Invalid: at least one of the records is refused for what it is; none is stored.
            Unavailable: no answer, or one for the whole request; any of the records may have been stored.
        """
        body = kinesis_wire.encode(self._stream, records)
        try:
            with errors_of(self._stream):
                answer = await self._client.put_records(Records=body, **kinesis_wire.naming(self._stream))
        except Invalid:
            raise
        except Refused as error:
            # It worked at start, so somebody may mend it while we keep trying.
            raise Unavailable(str(error)) from error
        try:
            results = kinesis_wire.decode(answer.get("Body", b""))
        except msgspec.DecodeError as error:
            raise Unavailable(f"stream {self._stream}: cannot read the answer to PutRecords: {error}") from error
        if len(results) != len(records):
            raise Unavailable(f"stream {self._stream}: {len(results)} results for {len(records)} records")
        await self._shards.heed(records, results, now=anyio.current_time())
        return [
            Rejection(
                record=record,
                code=result.error_code,
                reason=result.error_message,
                is_final=result.error_code in INVALID,
            )
            for record, result in zip(records, results, strict=True)
            if result.error_code
        ]

    async def _describe(self) -> str:
        """The stream's status, such as ACTIVE; takes its limits over.

        Raises:
            Refused: there is no such stream, or we may not use it.
            Unavailable: nobody answers.
        """
        with errors_of(self._stream):
            answer = await self._client.describe_stream_summary(**kinesis_wire.naming(self._stream))
        summary = answer.get("StreamDescriptionSummary", {})
        if "StreamStatus" not in summary:
            raise Refused(
                f"stream {self._stream}: the endpoint does not speak Kinesis; check endpoint_url in the sink's URL"
            )
        self.max_record_bytes = summary.get("MaxRecordSizeInKiB", 1024) << 10
        status: str = summary["StreamStatus"]
        return status


@asynccontextmanager
async def kinesis_sink(
    target: KinesisTarget, *, max_in_flight: int, metrics: SinkMetrics
) -> AsyncIterator[KinesisSink]:
    """A sink for one stream; closes its connections at the end.

    Raises:
        Refused: region, credentials, profile or endpoint are missing or malformed.
    """
    async with kinesis_client(target, max_connections=max_in_flight) as client:
        yield KinesisSink(client, target, max_in_flight=max_in_flight, metrics=metrics)
