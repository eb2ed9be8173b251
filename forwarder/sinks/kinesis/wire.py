"""The body of a PutRecords request, and of its answer. Pure.

    {"StreamName":"changes","Records":[{"Data":"eyJpZCI6…","PartitionKey":"public.orders.42"},…]}
    {"FailedRecordCount":0,"Records":[{"ShardId":"shardId-000000000000","SequenceNumber":"496…"},…]}

botocore can do this too, but it validates and serialises whatever its models describe, which takes some 10 µs a record more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
from pybase64 import b64encode

from forwarder.records import kpl
from forwarder.records.record import Record


class Result(msgspec.Struct, rename="pascal", gc=False):
    """What became of one record: stored if ``error_code`` is empty."""

    shard_id: str = ""
    sequence_number: str = ""
    error_code: str = ""
    error_message: str = ""


class _Answer(msgspec.Struct, rename="pascal", gc=False):
    records: list[Result]


class _LooseResult(msgspec.Struct, rename="pascal", gc=False):
    """A result as some endpoints write it: what does not apply is null, and not left out."""

    shard_id: str | None = None
    sequence_number: str | None = None
    error_code: str | None = None
    error_message: str | None = None

    @property
    def result(self) -> Result:
        return Result(self.shard_id or "", self.sequence_number or "", self.error_code or "", self.error_message or "")


class _LooseAnswer(msgspec.Struct, rename="pascal", gc=False):
    records: list[_LooseResult]


# How much data a slice takes, where a body is not to be in memory whole. Base64 turns three bytes into four, so it must divide by three.
SLICE_BYTES = 96 << 10

_JSON = msgspec.json.Encoder()
# What stands around the data and the key of a record, with the comma behind it.
_FRAME_BYTES = len('{"Data":"","PartitionKey":},')
_DECODER = msgspec.json.Decoder(_Answer)
_LOOSE_DECODER = msgspec.json.Decoder(_LooseAnswer)


def naming(stream: str) -> dict[str, str]:
    """The member of any request that names the stream, by name or by ARN."""
    return {"StreamARN" if stream.startswith("arn:") else "StreamName": stream}


def _opening(stream: str) -> bytes:
    return _JSON.encode({**naming(stream), "Records": []}).removesuffix(b"]}")


def encode(stream: str, records: Sequence[Record]) -> bytes:
    """The body of a PutRecords request; a record with followers travels with them as one aggregate."""
    parts = [_opening(stream)]
    add, json, opening = parts.append, _JSON.encode, b'{"Data":"'
    # Half as long as to have msgspec encode the bytes.
    for record in records:
        add(opening)
        # The same as `payload(record)`, without a call for a record that has no followers, as most have none.
        add(b64encode(payload(record) if record.followers else record.data))
        add(b'","PartitionKey":')
        add(json(record.partition_key))
        if record.hash_key is not None:
            add(_hash_key(record))
        opening = b'},{"Data":"'
    add(b"}]}")
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Slices:
    """What ``encode`` returns, in slices. They are made anew for each iteration, so it can be sent again."""

    stream: str
    records: Sequence[Record]
    # By the number of a record that is an aggregate, the digest in its data.
    _digests: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all slices together."""
        # `body_bytes` counts a comma behind each record. Behind the last there is none, but what ends the body.
        return len(_opening(self.stream)) + body_bytes(self.records) - len(b",") + len(b"]}")

    def __iter__(self) -> Iterator[bytes]:
        waiting = bytearray(_opening(self.stream))
        between = b'{"Data":"'
        for number, record in enumerate(self.records):
            waiting += between
            data = memoryview(payload(record, digest=self._digests.get(number)))
            if record.followers:
                self._digests[number] = bytes(data[-kpl.DIGEST_BYTES :])
            for offset in range(0, len(data), SLICE_BYTES):
                waiting += b64encode(data[offset : offset + SLICE_BYTES])
                if len(waiting) >= SLICE_BYTES:
                    yield bytes(waiting)
                    waiting.clear()
            waiting += b'","PartitionKey":' + _JSON.encode(record.partition_key) + _hash_key(record)
            between = b'},{"Data":"'
        yield bytes(waiting + b"}]}")


def _hash_key(record: Record) -> bytes:
    """The member with the explicit hash key, and the comma before it; nothing for a record that has none."""
    return b"" if record.hash_key is None else b',"ExplicitHashKey":"%d"' % record.hash_key


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


def body_bytes(records: Sequence[Record]) -> int:
    """The length of the body of a request for these records, without the part that names the stream."""
    keys = [len(_JSON.encode(record.partition_key)) + len(_hash_key(record)) for record in records]
    lengths = [payload_bytes(record) for record in records]
    return sum(keys) + sum((length + 2) // 3 * 4 for length in lengths) + _FRAME_BYTES * len(records)


def decode(answer: bytes) -> Sequence[Result]:
    """What became of each record, in the order of the request.

    Raises:
        msgspec.DecodeError, RecursionError, UnicodeDecodeError: the answer is not one of PutRecords.
    """
    try:
        return _DECODER.decode(answer).records
    except msgspec.ValidationError:
        return [loose.result for loose in _LOOSE_DECODER.decode(answer).records]


def convert(results: object) -> Sequence[Result]:
    """As ``decode``, from ``Records`` as botocore has read them.

    Raises:
        msgspec.ValidationError: they are not those of PutRecords.
    """
    return [loose.result for loose in msgspec.convert(results, list[_LooseResult])]
