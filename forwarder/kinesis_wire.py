"""The bodies of PutRecords: how a request is written and its answer read. Pure.

botocore spends some 10 µs a record on validating, serialising and parsing what we know the shape of.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from forwarder import kpl
from forwarder.events import Record


class Result(msgspec.Struct, rename="pascal", gc=False):
    """What became of one record: stored if ``error_code`` is empty."""

    shard_id: str = ""
    sequence_number: str = ""
    error_code: str = ""
    error_message: str = ""


class _Entry(msgspec.Struct, rename="pascal", gc=False):
    data: bytes
    partition_key: str


class _Answer(msgspec.Struct, rename="pascal", gc=False):
    records: list[Result]


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Answer)


def naming(stream: str) -> dict[str, str]:
    """The member of any request that names the stream, by name or by ARN."""
    return {"StreamARN" if stream.startswith("arn:") else "StreamName": stream}


def encode(stream: str, records: Sequence[Record]) -> bytes:
    """The body of a PutRecords request; a record with followers travels with them as one aggregate."""
    # Looking here, too, whether there are followers saves a call for each record.
    entries = [_Entry(payload(record) if record.followers else record.data, record.partition_key) for record in records]
    return _ENCODER.encode({**naming(stream), "Records": entries})


def payload(record: Record) -> bytes:
    """What a record and its followers are in the stream."""
    return _aggregate(record) if record.followers else record.data


def decode(answer: bytes) -> Sequence[Result]:
    """What became of each record, in the order of the request.

    Raises:
        msgspec.DecodeError: the answer is not one of PutRecords.
    """
    return _DECODER.decode(answer).records


def _aggregate(head: Record) -> bytes:
    return kpl.encode(head.partition_key, [head.data, *(record.data for record in head.followers)])
