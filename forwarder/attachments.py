"""Puts what is too large for the stream into S3, before the record that points to it is sent: the claim check pattern."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import botocore.exceptions
from aiobotocore.config import AioConfig

from forwarder.aws_session import region_of, session_of
from forwarder.errors import ForwarderError, Refused, Unavailable
from forwarder.events import Record
from forwarder.kinesis_errors import errors_of
from forwarder.publisher import Sink
from forwarder.quarantine import Rejection
from forwarder.sink_url import KinesisTarget
from forwarder.state import ServiceState

# What a record is rejected with while its object cannot be stored; it is offered again, and its lane waits.
NOT_STORED = "AttachmentNotStored"

logger = logging.getLogger(__name__)


class AttachmentSink:
    """A sink whose records may have attachments. A record whose attachment cannot be stored is not sent.

    An object that is stored twice is the same object: its key follows from the change.
    """

    def __init__(self, sink: Sink, client: Any, *, bucket: str) -> None:
        self._sink = sink
        self._s3 = client
        self._bucket = bucket
        self.max_records = sink.max_records
        self.max_bytes = sink.max_bytes
        self.max_in_flight = sink.max_in_flight

    @property
    def max_record_bytes(self) -> int:
        return self._sink.max_record_bytes

    async def prepare(self) -> None:
        """Wait until the sink can be written to, and make sure that there is a bucket.

        Raises:
            Refused: waiting cannot mend it.
        """
        await self._sink.prepare()
        try:
            with errors_of(f"bucket {self._bucket}"):
                await self._s3.head_bucket(Bucket=self._bucket)
        except Unavailable as error:
            cause = error.__cause__
            if isinstance(cause, botocore.exceptions.ClientError) and cause.response["Error"]["Code"] == "404":
                raise Refused(f"bucket {self._bucket} does not exist; create it, or correct oversize=s3://…") from None
            # Who may put objects need not be allowed to look at the bucket.
            logger.warning("cannot look at the bucket for oversize records", extra={"reason": str(error)})

    async def watch(self, state: ServiceState) -> None:
        """Look after the sink until cancelled; the bucket speaks for itself."""
        await self._sink.watch(state)

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Store the records' attachments, then offer those whose attachments are stored, all in one request."""
        failed = await self._store([record for record in records if any(_attached(record))])
        ready = [record for record in records if record.seq not in failed] if failed else records
        rejections = await self._sink.publish(ready) if ready else ()
        return [*rejections, *failed.values()] if failed else rejections

    async def _store(self, records: Sequence[Record]) -> dict[int, Rejection]:
        """Store what is attached to the records, all at once; by seq, the records for which that failed."""
        failed: dict[int, Rejection] = {}

        async def store(record: Record) -> None:
            try:
                await self._put(record)
            except ForwarderError as error:
                failed[record.seq] = Rejection(record=record, code=NOT_STORED, reason=str(error))

        async with anyio.create_task_group() as tasks:
            for record in records:
                tasks.start_soon(store, record)
        return failed

    async def _put(self, head: Record) -> None:
        for record in _attached(head):
            assert record.attachment is not None
            bucket, key, data = record.attachment.bucket, record.attachment.key, record.attachment.data
            with errors_of(f"s3://{bucket}"):
                await self._s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType="application/json")
            # It is there, whatever becomes of the record, and need not be kept in memory.
            record.attachment = None


def _attached(head: Record) -> Iterable[Record]:
    """Those that travel in one Kinesis record and have something to be stored first."""
    return (record for record in (head, *head.followers) if record.attachment is not None)


@asynccontextmanager
async def attachment_sink(sink: Sink, target: KinesisTarget) -> AsyncIterator[AttachmentSink]:
    """The sink with room for large records in the bucket that the target's ``oversize`` names."""
    bucket = target.oversize.bucket
    config = AioConfig(connect_timeout=3, read_timeout=30, retries={"total_max_attempts": 1})
    with errors_of(f"bucket {bucket}"):
        context = session_of(target).create_client("s3", region_name=region_of(target), config=config)
        client = await context.__aenter__()
    try:
        yield AttachmentSink(sink, client, bucket=bucket)
    finally:
        await context.__aexit__(None, None, None)
