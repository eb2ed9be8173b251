"""PutRecords in CBOR, as AWS's SDKs for Java speak it: a quarter fewer bytes than in JSON to hash and to send, since data need no base64. Pure.

In the notation of RFC 8949:

    {"StreamName": "changes", "Records": [{"Data": h'7b226964…', "PartitionKey": "public.orders.42"}, …]}
    {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "496…", "ShardId": "shardId-000000000000"}, …]}
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from forwarder.aws import cbor
from forwarder.records.record import Record
from forwarder.sinks.kinesis.cbor_results import read_results
from forwarder.sinks.kinesis.wire import Result, naming, payload, payload_bytes

NAME = "CBOR"
CONTENT_TYPE = "application/x-amz-cbor-1.1"
CLOSING = b""

# A record begins with the head of a map of two members.
_BEFORE_HEAD = cbor.head(cbor.MAP, 2) + cbor.text("Data")
_KEY_NAME = cbor.text("PartitionKey")


def encode(stream: str, records: Sequence[Record]) -> bytes:
    parts = [opening(stream, len(records))]
    for record in records:
        # The same as `payload(record)`, without a call for a record that has no followers, as most have none.
        data = payload(record) if record.followers else record.data
        key = record.partition_key.encode()
        parts += (_before_data(len(data)), data, _before_key(len(key)), key)
    return b"".join(parts)


def body_bytes(records: Sequence[Record]) -> int:
    return sum(
        [
            len(_before_data(size := payload_bytes(record))) + size + len(after_data(record.partition_key))
            for record in records
        ]
    )


def opening(stream: str, count: int) -> bytes:
    [(member, name)] = naming(stream).items()
    named = cbor.text(member) + cbor.text(name) + cbor.text("Records")
    return cbor.head(cbor.MAP, 2) + named + cbor.head(cbor.ARRAY, count)


def before_data(number: int, size: int) -> bytes:
    return _before_data(size)


def data_part(part: memoryview) -> bytes:
    return bytes(part)


def after_data(partition_key: str) -> bytes:
    return _KEY_NAME + cbor.text(partition_key)


# Most records are of some hundreds of lengths.
@lru_cache(maxsize=4096)
def _before_data(size: int) -> bytes:
    return _BEFORE_HEAD + cbor.head(cbor.BYTES, size)


@lru_cache(maxsize=1024)
def _before_key(size: int) -> bytes:
    return _KEY_NAME + cbor.head(cbor.TEXT, size)


def decode(answer: bytes) -> Sequence[Result]:
    reader = cbor.Reader(answer)
    results: Sequence[Result] | None = None
    count, members = reader.map(), 0
    while not reader.is_over(count, members):
        if reader.value() == "Records":
            results = read_results(reader)
        else:
            reader.value()
        members += 1
    reader.end()
    if results is None:
        raise cbor.Malformed("no Records")
    return results
