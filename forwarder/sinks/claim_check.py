"""Puts what is too large for the stream into S3, before the record that points to it is sent: the claim check pattern."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import botocore.exceptions
from aiobotocore.config import AioConfig

from forwarder.aws.call import aws_call
from forwarder.aws.credentials_renewal import CredentialsRenewal
from forwarder.aws.errors import aws_errors, aws_errors_of_opening
from forwarder.aws.session import region_of, session_of
from forwarder.config.sink_url import KinesisTarget
from forwarder.errors import ForwarderError, Refused, Unavailable
from forwarder.records.record import Attachment

# An object larger than this is stored in parts of this size, the least that S3 takes; so it may have 50 GB.
PART_BYTES = 5 << 20
GIVE_UP_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Attachments:
    """The objects in one bucket."""

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._s3 = client
        self._bucket = bucket

    async def watch(self) -> None:
        """Look after the credentials until cancelled; the bucket speaks for itself."""
        await CredentialsRenewal(self._s3, f"bucket {self._bucket}").run()

    async def prepare(self) -> None:
        """Make sure that there is a bucket.

        Raises:
            Refused: there is none.
        """
        try:
            await self._call("head_bucket", Bucket=self._bucket)
        except Unavailable as error:
            cause = error.__cause__
            if isinstance(cause, botocore.exceptions.ClientError) and cause.response["Error"]["Code"] == "404":
                raise Refused(f"bucket {self._bucket} does not exist; create it, or correct oversize=s3://…") from None
            # Who may put objects need not be allowed to look at the bucket.
            logger.warning("cannot look at the bucket for oversize records", extra={"reason": str(error)})

    async def put(self, attachment: Attachment) -> None:
        """Store an object, as ``forwarder.delivery.uploads.ObjectStore`` promises; there is nothing of one that could not be stored whole."""
        # What an answer that nobody has foreseen makes of botocore, or of us.
        with aws_errors(f"s3://{attachment.bucket}"):
            await self._put_parts(attachment)

    async def _put_whole(self, attachment: Attachment, data: bytes) -> None:
        place: dict[str, Any] = {"Bucket": attachment.bucket, "Key": attachment.key}
        answer = await self._call("put_object", len(data), **place, Body=data, ContentType="application/json")
        _tag(answer, attachment.bucket)

    async def _put_parts(self, attachment: Attachment) -> None:
        """Store an object in parts if it takes more than one: it is there once all are."""
        body = attachment.body
        parts = _of_equal_size(body.parts())
        first = await anext(parts)
        if body.size <= PART_BYTES:
            await self._put_whole(attachment, first)
            return
        place: dict[str, Any] = {"Bucket": attachment.bucket, "Key": attachment.key}
        upload = await self._call("create_multipart_upload", **place, ContentType="application/json")
        place["UploadId"] = upload["UploadId"]
        try:
            stored = [await self._put_part(place, 1, first)]
            del first
            async for part in parts:
                stored.append(await self._put_part(place, len(stored) + 1, part))
            # S3 puts it together meanwhile, which takes the longer the more it is.
            answer = await self._call(
                "complete_multipart_upload", body.size, **place, MultipartUpload={"Parts": stored}
            )
            _tag(answer, attachment.bucket)
        except BaseException:
            await self._give_up(place)
            raise

    async def _put_part(self, place: Mapping[str, Any], number: int, part: bytes) -> Mapping[str, Any]:
        answer = await self._call("upload_part", len(part), **place, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": _tag(answer, self._bucket)}

    async def _give_up(self, place: Mapping[str, Any]) -> None:
        """Have the parts deleted, which nobody sees and somebody pays for. A rule of the bucket should do so where we cannot."""
        with anyio.move_on_after(GIVE_UP_SECONDS, shield=True):
            try:
                await self._call("abort_multipart_upload", **place)
            except ForwarderError as error:
                logger.warning("cannot delete the parts of an upload that failed", extra={"reason": str(error)})

    async def _call(self, operation: str, sent_bytes: int = 0, **arguments: Any) -> Any:
        with aws_call(f"s3://{self._bucket}", sent_bytes=sent_bytes):
            return await getattr(self._s3, operation)(**arguments)


def _tag(answer: Any, bucket: str) -> str:
    """The tag that S3 gives whatever it has stored. A proxy or a portal that answers in its place says 200 as well.

    Raises:
        Unavailable: there is none, so nothing says that it is stored.
    """
    tag = answer.get("ETag")
    if not (isinstance(tag, str) and tag):
        raise Unavailable(
            f"s3://{bucket}: an answer without ETag does not say that the object is stored; see who answers in the place of S3"
        )
    return tag


async def _of_equal_size(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in parts of ``PART_BYTES`` each but the last, since S3 takes no smaller ones."""
    waiting = bytearray()
    async for part in parts:
        waiting += part
        # While one is being stored, none of what it is made of is to be in memory beside it.
        del part
        while len(waiting) > PART_BYTES:
            yield _cut(waiting)
    yield bytes(waiting)


def _cut(waiting: bytearray) -> bytes:
    """Take the first part out."""
    with memoryview(waiting) as all_of_it:
        part = bytes(all_of_it[:PART_BYTES])
    del waiting[:PART_BYTES]
    return part


@asynccontextmanager
async def attachments_of(target: KinesisTarget) -> AsyncIterator[Attachments]:
    """Room for large records in the bucket that the target's ``oversize`` names; closes its connections at the end."""
    bucket = target.oversize.bucket
    config = AioConfig(connect_timeout=3, read_timeout=30, retries={"total_max_attempts": 1})
    with aws_call(f"bucket {bucket}"), aws_errors_of_opening(f"bucket {bucket}"):
        context = session_of(target).create_client("s3", region_name=region_of(target), config=config)
        client = await context.__aenter__()
    try:
        yield Attachments(client, bucket=bucket)
    finally:
        await context.__aexit__(None, None, None)
