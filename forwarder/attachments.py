"""Puts what is too large for the stream into S3, before the record that points to it is sent: the claim check pattern."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import botocore.exceptions
from aiobotocore.config import AioConfig

from forwarder.aws_session import region_of, session_of
from forwarder.errors import ForwarderError, Refused, Unavailable, Vanished
from forwarder.events import Attachment, Body, Record
from forwarder.kinesis_errors import errors_of
from forwarder.publisher import Sink
from forwarder.quarantine import Rejection
from forwarder.sink_url import KinesisTarget
from forwarder.state import ServiceState

# What a record is rejected with while its object cannot be stored; it is offered again, and its lane waits.
NOT_STORED = "AttachmentNotStored"
# So many objects are stored at once. Each is in memory with one part, of some megabytes.
MAX_UPLOADS = 4
# An object larger than this is stored in parts of this size, the least that S3 takes; so it may have 50 GB.
PART_BYTES = 5 << 20
GIVE_UP_SECONDS = 5.0

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
        self.takes_bodies = sink.takes_bodies
        self._uploads = anyio.Semaphore(MAX_UPLOADS)

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

    def opened(self) -> AbstractAsyncContextManager[None]:
        """What the sink itself has to have open."""
        return self._sink.opened()

    async def watch(self, state: ServiceState) -> None:
        """Look after the sink until cancelled; the bucket speaks for itself."""
        await self._sink.watch(state)

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        """Store the records' attachments, then offer those whose attachments are stored, all in one request."""
        failed = await self._store([record for record in records if any(_attached(record))])
        ready = [record for record in records if record.seq not in failed] if failed else records
        rejections = await self._sink.publish(ready) if ready else ()
        return [*rejections, *(rejection for rejection in failed.values() if rejection)] if failed else rejections

    async def _store(self, records: Sequence[Record]) -> dict[int, Rejection | None]:
        """Store what is attached to the records, several at once; by seq, those for which that failed, or that are not to be sent."""
        failed: dict[int, Rejection | None] = {}

        async def store(record: Record) -> None:
            try:
                async with self._uploads:
                    await self._put(record)
            except Vanished:
                failed[record.seq] = None
            except ForwarderError as error:
                failed[record.seq] = Rejection(record=record, code=NOT_STORED, reason=str(error))

        async with anyio.create_task_group() as tasks:
            for record in records:
                tasks.start_soon(store, record)
        return failed

    async def _put(self, head: Record) -> None:
        for record in _attached(head):
            attachment = record.attachment
            assert attachment is not None
            with errors_of(f"s3://{attachment.bucket}"):
                try:
                    await self._put_object(attachment)
                except Vanished:
                    if not head.followers:
                        raise
                    # What travels with it must not be lost for it.
                    logger.warning("a pointer is sent to what was discarded meanwhile", extra={"seq": record.seq})
            # It is there, whatever becomes of the record, and need not be kept in memory.
            record.attachment = None

    async def _put_object(self, attachment: Attachment) -> None:
        if attachment.body:
            await self._put_parts(attachment, attachment.body)
        else:
            await self._put_whole(attachment, attachment.data)

    async def _put_whole(self, attachment: Attachment, data: bytes) -> None:
        await self._s3.put_object(
            Bucket=attachment.bucket, Key=attachment.key, Body=data, ContentType="application/json"
        )

    async def _put_parts(self, attachment: Attachment, body: Body) -> None:
        """Store an object that is not in memory, in parts if it takes more than one: it is there once all are."""
        parts = _of_equal_size(body.parts())
        first = await anext(parts)
        if body.size <= PART_BYTES:
            await self._put_whole(attachment, first)
            return
        place = {"Bucket": attachment.bucket, "Key": attachment.key}
        upload = await self._s3.create_multipart_upload(**place, ContentType="application/json")
        place["UploadId"] = upload["UploadId"]
        try:
            stored = [await self._put_part(place, 1, first)]
            del first
            async for part in parts:
                stored.append(await self._put_part(place, len(stored) + 1, part))
            await self._s3.complete_multipart_upload(**place, MultipartUpload={"Parts": stored})
        except BaseException:
            await self._give_up(place)
            raise

    async def _put_part(self, place: Mapping[str, str], number: int, part: bytes) -> Mapping[str, Any]:
        answer = await self._s3.upload_part(**place, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    async def _give_up(self, place: Mapping[str, str]) -> None:
        """Have the parts deleted, which nobody sees and somebody pays for. A rule of the bucket should do so where we cannot."""
        with anyio.move_on_after(GIVE_UP_SECONDS, shield=True):
            try:
                with errors_of("the parts of an upload"):
                    await self._s3.abort_multipart_upload(**place)
            except ForwarderError as error:
                logger.warning("cannot delete the parts of an upload that failed", extra={"reason": str(error)})


def _attached(head: Record) -> Iterable[Record]:
    """Those that travel in one Kinesis record and have something to be stored first."""
    return (record for record in (head, *head.followers) if record.attachment is not None)


async def _of_equal_size(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in parts of ``PART_BYTES`` each but the last, since S3 takes no smaller ones."""
    waiting = b""
    async for part in parts:
        waiting += part
        while len(waiting) > PART_BYTES:
            yield waiting[:PART_BYTES]
            waiting = waiting[PART_BYTES:]
    yield waiting


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
