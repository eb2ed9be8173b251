"""Objects that are put together part by part, and what becomes of the records that point to them when they cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio
import pytest

from forwarder import attachments
from forwarder.attachments import NOT_STORED, AttachmentSink
from forwarder.errors import Unavailable, Vanished
from forwarder.events import Attachment, Record
from forwarder.quarantine import Rejection

PART_BYTES = 10


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "PART_BYTES", PART_BYTES)


@dataclass
class Bucket:
    """What a client of S3 is asked for, and the objects that are there."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    # The part that is refused.
    refuses: int | None = None

    async def put_object(self, *, Key: str, Body: bytes, **_: str) -> None:
        self.calls["put_object"] += 1
        self.objects[Key] = Body

    async def create_multipart_upload(self, *, Key: str, **_: str) -> dict[str, str]:
        self.uploads[Key] = {}
        return {"UploadId": "1"}

    async def upload_part(self, *, Key: str, PartNumber: int, Body: bytes, **_: str) -> dict[str, str]:
        if PartNumber == self.refuses:
            raise aiohttp.ClientError
        self.uploads[Key][PartNumber] = Body
        return {"ETag": str(PartNumber)}

    async def complete_multipart_upload(self, *, Key: str, MultipartUpload: Any, **_: str) -> None:
        parts = self.uploads.pop(Key)
        self.objects[Key] = b"".join(parts[part["PartNumber"]] for part in MultipartUpload["Parts"])
        assert all(len(part) == PART_BYTES for part in list(parts.values())[:-1])

    async def abort_multipart_upload(self, *, Key: str, **_: str) -> None:
        del self.uploads[Key]


class Stream:
    max_records = 500
    max_bytes = 1 << 20
    max_in_flight = 4
    max_record_bytes = 1 << 20
    takes_bodies = False

    def __init__(self) -> None:
        self.stored: list[int] = []

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        self.stored += [record.seq for record in records]
        return ()


@dataclass
class Scripted:
    """A body of some texts, after which it may fail."""

    texts: Sequence[str]
    error: Exception | None = None
    under_way: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def size(self) -> int:
        return sum(map(len, self.texts))

    async def parts(self) -> AsyncIterator[bytes]:
        self.under_way[0] += 1
        self.under_way[1] = max(self.under_way)
        for text in self.texts:
            await anyio.lowlevel.checkpoint()
            yield text.encode()
        self.under_way[0] -= 1
        if self.error:
            raise self.error


def sink_of(bucket: Bucket, stream: Stream) -> AttachmentSink:
    stands_in: Any = stream
    return AttachmentSink(stands_in, bucket, bucket="large")


def pointer(seq: int, body: Scripted) -> Record:
    return Record(seq, str(seq), b"{}", {seq}, attachment=Attachment("large", str(seq), b"", body))


@pytest.mark.parametrize(
    ("texts", "puts"),
    [(["0123456789"], 1), (["0123456789", "a"], 0), (["0", "123456789abcdefghijklm", "nopqrstuvw"], 0), ([""], 1)],
)
async def test_an_object_has_every_byte_and_is_put_by_parts_only_if_it_takes_several(
    texts: Sequence[str], puts: int
) -> None:
    bucket, stream = Bucket(), Stream()

    assert await sink_of(bucket, stream).publish([pointer(1, Scripted(texts))]) == ()

    assert bucket.objects == {"1": "".join(texts).encode()}
    assert bucket.calls["put_object"] == puts
    assert stream.stored == [1]


async def test_what_cannot_be_stored_as_a_whole_leaves_no_parts_and_its_pointer_is_not_sent() -> None:
    bucket, stream = Bucket(refuses=2), Stream()
    large, small = pointer(1, Scripted(["x" * 25])), pointer(2, Scripted(["x"]))

    [rejection] = await sink_of(bucket, stream).publish([large, small])

    assert (rejection.record, rejection.code, rejection.is_final) == (large, NOT_STORED, False)
    assert (bucket.objects, bucket.uploads) == ({"2": b"x"}, {})
    assert stream.stored == [2]


async def test_a_database_that_does_not_answer_is_a_reason_to_offer_it_again() -> None:
    bucket, stream = Bucket(), Stream()

    [rejection] = await sink_of(bucket, stream).publish([pointer(1, Scripted(["x" * 25], Unavailable("gone")))])

    assert rejection.code == NOT_STORED
    assert (bucket.objects, bucket.uploads, stream.stored) == ({}, {}, [])


async def test_a_change_that_was_given_up_meanwhile_is_not_sent() -> None:
    bucket, stream = Bucket(), Stream()

    rejections = await sink_of(bucket, stream).publish([pointer(1, Scripted([], Vanished("discarded")))])

    assert (rejections, bucket.objects, stream.stored) == ([], {}, [])


async def test_only_so_many_objects_are_on_their_way_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MAX_UPLOADS", 2)
    under_way = [0, 0]

    await sink_of(Bucket(), Stream()).publish(
        [pointer(seq, Scripted(["x"] * 5, under_way=under_way)) for seq in range(1, 8)]
    )

    assert under_way == [0, 2]
