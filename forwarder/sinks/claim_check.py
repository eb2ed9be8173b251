"""Stores records that are too large for the stream in S3 (the claim check pattern: the stream gets a record that points to the object).

An object is stored before the record that points to it is sent. From 5 MiB on it is stored in parts, so that no more than one part is in
memory; S3 shows it when all parts are there.
"""

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

# An object of this size or more is stored in parts of this size. S3 takes no smaller ones, and 10,000 of them: 50 GB.
PART_BYTES = 5 << 20
# How long we try to delete the parts of an object that could not be stored whole.
GIVE_UP_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Attachments:
    """The objects in one bucket that records point to."""

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._s3 = client
        self._bucket = bucket

    async def watch(self) -> None:
        """Renew the credentials until cancelled. The bucket is not watched: if it cannot be written to, ``put`` says so."""
        await CredentialsRenewal(self._s3, f"bucket {self._bucket}").run()

    async def look(self) -> None:
        """See that there is a bucket. Whether objects may be put into it cannot be told without one.

        Raises:
            Refused: there is none.
            Unavailable: nobody answers, or we may not look at it, which a role may be allowed to put objects into all the same.
        """
        try:
            await self._call("head_bucket", Bucket=self._bucket)
        except Unavailable as error:
            cause = error.__cause__
            if isinstance(cause, botocore.exceptions.ClientError) and cause.response["Error"]["Code"] == "404":
                raise Refused(f"bucket {self._bucket} does not exist; create it, or correct oversize=s3://…") from None
            raise

    async def prepare(self) -> None:
        """Make sure that there is a bucket, unless that cannot be seen.

        Raises:
            Refused: there is none.
        """
        try:
            await self.look()
        except Unavailable as error:
            logger.warning("cannot look at the bucket for oversize records", extra={"reason": str(error)})

    async def put(self, attachment: Attachment) -> None:
        """Store an object, as ``forwarder.delivery.uploads.ObjectStore`` promises. If that fails, nothing of it can be seen in the bucket."""
        # An odd answer may raise anything in botocore or here.
        with aws_errors(f"s3://{attachment.bucket}"):
            await self._put_parts(attachment)

    async def _put_whole(self, attachment: Attachment, data: bytes) -> None:
        place: dict[str, Any] = {"Bucket": attachment.bucket, "Key": attachment.key}
        answer = await self._call("put_object", len(data), **place, Body=data, ContentType="application/json")
        _tag(answer, attachment.bucket)

    async def _put_parts(self, attachment: Attachment) -> None:
        """Store an object, in parts unless it is smaller than one of them."""
        body = attachment.body
        parts = _of_equal_size(body.parts())
        first = await anext(parts)
        # Only the last part may be smaller. The size that was measured may be another by now: a row that is gone leaves a small record.
        if len(first) < PART_BYTES:
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
            # S3 puts the object together before it answers; that takes time by its size, so more time is granted, as for an upload.
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
        """Have the parts deleted: nobody sees them, and S3 bills them. A lifecycle rule of the bucket should do so where we cannot."""
        with anyio.move_on_after(GIVE_UP_SECONDS, shield=True):
            try:
                await self._call("abort_multipart_upload", **place)
            except ForwarderError as error:
                logger.warning("cannot delete the parts of an upload that failed", extra={"reason": str(error)})

    async def _call(self, operation: str, sent_bytes: int = 0, **arguments: Any) -> Any:
        with aws_call(f"s3://{self._bucket}", sent_bytes=sent_bytes):
            return await getattr(self._s3, operation)(**arguments)


def _tag(answer: Any, bucket: str) -> str:
    """The ETag of what was stored. S3 always gives one; a proxy that answers in its place may say 200 without it.

    Raises:
        Unavailable: there is none, so nothing says that the object is stored.
    """
    tag = answer.get("ETag")
    if not (isinstance(tag, str) and tag):
        raise Unavailable(
            f"s3://{bucket}: an answer without ETag does not say that the object is stored; see who answers in the place of S3"
        )
    return tag


async def _of_equal_size(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in parts of ``PART_BYTES``; the last one may be smaller. S3 wants them so."""
    waiting = bytearray()
    async for part in parts:
        waiting += part
        # Freed now, or it would stay in memory while what was made of it is being stored.
        del part
        while len(waiting) > PART_BYTES:
            yield _cut(waiting)
    yield bytes(waiting)


def _cut(waiting: bytearray) -> bytes:
    """Take the first ``PART_BYTES`` out of what waits."""
    with memoryview(waiting) as all_of_it:
        part = bytes(all_of_it[:PART_BYTES])
    del waiting[:PART_BYTES]
    return part


@asynccontextmanager
async def attachments_of(target: KinesisTarget) -> AsyncIterator[Attachments]:
    """The bucket that the target's ``oversize=s3://…`` names; closes its connections at the end."""
    bucket = target.oversize.bucket
    config = AioConfig(connect_timeout=3, read_timeout=30, retries={"total_max_attempts": 1})
    with aws_call(f"bucket {bucket}"), aws_errors_of_opening(f"bucket {bucket}"):
        context = session_of(target).create_client("s3", region_name=region_of(target), config=config)
        client = await context.__aenter__()
    try:
        yield Attachments(client, bucket=bucket)
    finally:
        await context.__aexit__(None, None, None)
