"""Objects that are put together part by part, and what is left of those that cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio
import pytest

from forwarder.errors import Unavailable, Vanished
from forwarder.records.record import Attachment
from forwarder.sinks import claim_check
from forwarder.sinks.claim_check import Attachments

PART_BYTES = 10


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_check, "PART_BYTES", PART_BYTES)


@dataclass
class Bucket:
    """What a client of S3 is asked for, and the objects that are there."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    # The part that is refused.
    refuses: int | None = None

    async def put_object(self, *, Key: str, Body: bytes, **_: str) -> dict[str, str]:
        self.calls["put_object"] += 1
        self.objects[Key] = Body
        return {"ETag": "whole"}

    async def create_multipart_upload(self, *, Key: str, **_: str) -> dict[str, str]:
        self.uploads[Key] = {}
        return {"UploadId": "1"}

    async def upload_part(self, *, Key: str, PartNumber: int, Body: bytes, **_: str) -> dict[str, str]:
        if PartNumber == self.refuses:
            raise aiohttp.ClientError
        self.uploads[Key][PartNumber] = Body
        return {"ETag": str(PartNumber)}

    async def complete_multipart_upload(self, *, Key: str, MultipartUpload: Any, **_: str) -> dict[str, str]:
        parts = self.uploads.pop(Key)
        self.objects[Key] = b"".join(parts[part["PartNumber"]] for part in MultipartUpload["Parts"])
        assert all(len(part) == PART_BYTES for part in list(parts.values())[:-1])
        return {"ETag": "joined"}

    async def abort_multipart_upload(self, *, Key: str, **_: str) -> None:
        del self.uploads[Key]


@dataclass
class Scripted:
    """A body of some texts, after which it may fail."""

    is_too_large = False

    texts: Sequence[str]
    error: Exception | None = None
    # How many bytes fewer were measured than there are.
    unmeasured: int = 0

    @property
    def size(self) -> int:
        return -self.unmeasured + sum(map(len, self.texts))

    async def parts(self) -> AsyncIterator[bytes]:
        for text in self.texts:
            await anyio.lowlevel.checkpoint()
            yield text.encode()
        if self.error:
            raise self.error


def attachment(body: Scripted) -> Attachment:
    return Attachment("large", "key", body)


@pytest.mark.parametrize(
    ("texts", "puts"),
    [
        (["012345678"], 1),
        (["0123456789"], 0),
        (["0123456789", "a"], 0),
        (["0", "123456789abcdefghijklm", "nopqrstuvw"], 0),
        ([""], 1),
    ],
)
async def test_an_object_has_every_byte_and_is_put_by_parts_unless_it_is_smaller_than_one(
    texts: Sequence[str], puts: int
) -> None:
    bucket = Bucket()

    await Attachments(bucket, bucket="large").put(attachment(Scripted(texts)))

    assert bucket.objects == {"key": "".join(texts).encode()}
    assert bucket.calls["put_object"] == puts


async def test_an_object_that_is_larger_than_was_measured_is_stored_whole() -> None:
    bucket = Bucket()

    await Attachments(bucket, bucket="large").put(attachment(Scripted(["x" * 25], unmeasured=20)))

    assert bucket.objects == {"key": b"x" * 25}


async def test_what_cannot_be_stored_as_a_whole_leaves_no_parts() -> None:
    bucket = Bucket(refuses=2)

    with pytest.raises(Unavailable, match="s3://large"):
        await Attachments(bucket, bucket="large").put(attachment(Scripted(["x" * 25])))

    assert (bucket.objects, bucket.uploads) == ({}, {})


@pytest.mark.parametrize("error", [Unavailable("gone"), Vanished("discarded")])
async def test_what_cannot_be_read_is_not_stored_and_the_reader_says_why(error: Exception) -> None:
    bucket = Bucket()

    with pytest.raises(type(error), match=str(error)):
        await Attachments(bucket, bucket="large").put(attachment(Scripted(["x" * 25], error)))

    assert (bucket.objects, bucket.uploads) == ({}, {})


class Odd:
    """An S3 whose answers nobody has foreseen, or that never answers."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def create_multipart_upload(self, **_: str) -> object:
        if self._answer is None:
            await anyio.sleep_forever()
        return self._answer


@pytest.mark.parametrize("answer", [{}, [], None])
async def test_an_odd_answer_is_a_reason_to_try_again_and_so_is_none_in_time(
    answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.aws.call.CALL_SECONDS", 0.01)
    with pytest.raises(Unavailable, match="s3://large: "):
        await Attachments(Odd(answer), bucket="large").put(attachment(Scripted(["x" * 25])))


@dataclass
class Obliging(Bucket):
    """In its place somebody answers who says yes to everything, and names no tag for what is stored by ``untagged``."""

    untagged: str = ""

    async def put_object(self, *, Key: str, Body: bytes, **_: str) -> dict[str, str]:
        answer = await super().put_object(Key=Key, Body=Body)
        return {} if self.untagged == "put_object" else answer

    async def complete_multipart_upload(self, *, Key: str, MultipartUpload: Any, **_: str) -> dict[str, str]:
        return {} if self.untagged == "complete_multipart_upload" else {"ETag": ""}


@pytest.mark.parametrize(("untagged", "size"), [("put_object", 5), ("complete_multipart_upload", 25), ("", 25)])
async def test_only_a_tag_says_that_an_object_is_stored(untagged: str, size: int) -> None:
    bucket = Obliging(untagged=untagged)

    with pytest.raises(Unavailable, match="s3://large: an answer without ETag"):
        await Attachments(bucket, bucket="large").put(attachment(Scripted(["x" * size])))

    assert not bucket.uploads
