"""What a PutRecords request and its answer have in common in both protocols, ``wire_cbor`` and ``wire_json``. Pure.

A ``Wire`` is one of these two modules. botocore can do what they do, in JSON alone; but it validates and serialises whatever its models
describe, which takes some 10 µs a record more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from forwarder.records import kpl
from forwarder.records.record import Record
from forwarder.sinks.kinesis.answer import Answer

# How much data a slice takes, where a body is not to be in memory whole. Base64 turns three bytes into four, so it must divide by three.
SLICE_BYTES = 96 << 10


class Wire(Protocol):
    """How one protocol writes a request and reads the answer. A body is what opens it, then each record, then what closes it."""

    NAME: str
    CONTENT_TYPE: str
    CLOSING: bytes

    def encode(self, stream: str, records: Sequence[Record]) -> bytes:
        """The body of a request; a record with followers travels with them as one aggregate."""

    def body_bytes(self, records: Sequence[Record]) -> int:
        """The length of the records in the body of a request, without what opens and closes it."""

    def opening(self, stream: str, count: int) -> bytes:
        """The body up to the first record."""

    def before_data(self, record: Record, *, number: int, size: int) -> bytes:
        """A record up to its data, which have ``size`` bytes; the first record has the number 0."""

    def data_part(self, part: memoryview) -> bytes:
        """A part of the data; every part but the last has ``SLICE_BYTES``."""

    def after_data(self, record: Record) -> bytes:
        """A record from the end of its data on: its partition key and, if it has one, its explicit hash key."""

    def decode(self, answer: bytes) -> Answer:
        """What became of each record.

        Raises:
            ILLEGIBLE: the answer is not one of PutRecords.
        """


@dataclass(frozen=True, slots=True)
class Slices:
    """What ``encode`` of a wire returns, in slices. They are made anew for each iteration, so it can be sent again."""

    wire: Wire
    stream: str
    records: Sequence[Record]
    # By the number of a record that is an aggregate, the digest in its data.
    _digests: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all slices together."""
        wire = self.wire
        opening = wire.opening(self.stream, len(self.records))
        return len(opening) + wire.body_bytes(self.records) + len(wire.CLOSING)

    def __iter__(self) -> Iterator[bytes]:
        wire = self.wire
        waiting = bytearray(wire.opening(self.stream, len(self.records)))
        for number, record in enumerate(self.records):
            data = memoryview(payload(record, digest=self._digests.get(number)))
            if record.followers:
                self._digests[number] = bytes(data[-kpl.DIGEST_BYTES :])
            waiting += wire.before_data(record, number=number, size=len(data))
            for offset in range(0, len(data), SLICE_BYTES):
                waiting += wire.data_part(data[offset : offset + SLICE_BYTES])
                if len(waiting) >= SLICE_BYTES:
                    yield bytes(waiting)
                    waiting.clear()
            waiting += wire.after_data(record)
        yield bytes(waiting + wire.CLOSING)


def naming(stream: str) -> dict[str, str]:
    """The member of any request that names the stream, by name or by ARN."""
    return {"StreamARN" if stream.startswith("arn:") else "StreamName": stream}


def payload(record: Record, *, digest: bytes | None = None) -> bytes:
    """The data of a Kinesis record: that of the record, or, if it has followers, all of theirs in KPL's aggregated format.

    ``digest`` is that of the aggregate, if it was made before.
    """
    if not record.followers:
        return record.data
    payloads = [record.data, *[each.data for each in record.followers]]
    return kpl.encode(record.partition_key, payloads, hash_key=record.hash_key, digest=digest)


def payload_bytes(record: Record) -> int:
    """The length of ``payload``, which is not made for it."""
    if not record.followers:
        return len(record.data)
    entries = [kpl.entry_bytes(len(each.data), record.hash_key) for each in (record, *record.followers)]
    return kpl.overhead_bytes(record.partition_key, record.hash_key) + sum(entries)
