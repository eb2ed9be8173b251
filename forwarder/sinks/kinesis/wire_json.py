"""PutRecords in JSON, which every endpoint of Kinesis speaks. The data are in base64. Pure.

{"StreamName":"changes","Records":[{"Data":"eyJpZCI6…","PartitionKey":"public.orders.42"},…]}
{"FailedRecordCount":0,"Records":[{"ShardId":"shardId-000000000000","SequenceNumber":"496…"},…]}
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pybase64 import b64encode

from forwarder.records.record import Record
from forwarder.sinks.kinesis.answer import Answer, Result, answer_of
from forwarder.sinks.kinesis.wire import naming, payload, payload_bytes


class _Results(msgspec.Struct, rename="pascal", gc=False):
    records: list[Result]


NAME = "JSON"
CONTENT_TYPE = "application/x-amz-json-1.1"
CLOSING = b"]}"

_JSON = msgspec.json.Encoder()
# What stands before the data of a record.
_OPENING_BYTES = len('{"Data":"')
_DECODER = msgspec.json.Decoder(_Results)


def encode(stream: str, records: Sequence[Record]) -> bytes:
    parts = [opening(stream, len(records))]
    add, json, before = parts.append, _JSON.encode, b'{"Data":"'
    # Half as long as to have msgspec encode the bytes.
    for record in records:
        add(before)
        # The same as `payload(record)`, without a call for a record that has no followers, as most have none.
        add(b64encode(payload(record) if record.followers else record.data))
        add(b'","PartitionKey":')
        add(json(record.partition_key))
        if record.hash_key is not None:
            add(_hash_key(record.hash_key))
        before = b'},{"Data":"'
    add(b"}" + CLOSING if records else CLOSING)
    return b"".join(parts)


def body_bytes(records: Sequence[Record]) -> int:
    keys = [len(after_data(record)) for record in records]
    lengths = [payload_bytes(record) for record in records]
    commas = max(0, len(records) - 1)
    return sum(keys) + sum((length + 2) // 3 * 4 for length in lengths) + _OPENING_BYTES * len(records) + commas


def opening(stream: str, count: int) -> bytes:
    return _JSON.encode({**naming(stream), "Records": []}).removesuffix(CLOSING)


def before_data(record: Record, *, number: int, size: int) -> bytes:
    return b',{"Data":"' if number else b'{"Data":"'


def data_part(part: memoryview) -> bytes:
    return b64encode(part)


def after_data(record: Record) -> bytes:
    hash_key = b"" if record.hash_key is None else _hash_key(record.hash_key)
    return b'","PartitionKey":' + _JSON.encode(record.partition_key) + hash_key + b"}"


def _hash_key(hash_key: int) -> bytes:
    """The member that decides about the shard, with a comma before it."""
    return b',"ExplicitHashKey":"%d"' % hash_key


def decode(answer: bytes) -> Answer:
    return answer_of(_DECODER.decode(answer).records)
