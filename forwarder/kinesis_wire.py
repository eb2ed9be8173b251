"""PutRecords without botocore's price.

botocore spends some 10 µs a record on validating, serialising and parsing what we know the shape of. Its own event hooks let
a body through that is already encoded, and keep its hands off the answer; credentials, endpoint rules, signing, proxies and
TLS stay botocore's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from forwarder import kpl
from forwarder.events import Record

_OPERATION = "kinesis.PutRecords"
_BODY = "forwarder_body"


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


def install(client: Any) -> None:
    """Teach a client, made with ``parameter_validation=False``, to take PutRecords' body as bytes in ``Records``.

    The answer then has its body as bytes in ``Body``. Whether this version of botocore plays along: ``put_records.py``.
    """
    for event, handler in _HOOKS:
        client.meta.events.register(event, handler)


def uninstall(client: Any) -> None:
    """Let PutRecords be botocore's again."""
    for event, handler in _HOOKS:
        client.meta.events.unregister(event, handler)


def naming(stream: str) -> dict[str, str]:
    """The member of any request that names the stream, by name or by ARN."""
    return {"StreamARN" if stream.startswith("arn:") else "StreamName": stream}


def encode(stream: str, records: Sequence[Record]) -> bytes:
    """The body of a PutRecords request; a record with followers travels with them as one aggregate."""
    entries = [_Entry(payload(record), record.partition_key) for record in records]
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


def _take_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if isinstance(params["Records"], bytes):
        context[_BODY] = params.pop("Records")


def _send_body(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if _BODY in context:
        params["body"] = context[_BODY]


def _keep_answer(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] == 200:
        customized_response_dict["Body"] = response_dict["body"]
        response_dict["body"] = b"{}"


_HOOKS = (
    (f"before-parameter-build.{_OPERATION}", _take_body),
    (f"before-call.{_OPERATION}", _send_body),
    (f"before-parse.{_OPERATION}", _keep_answer),
)
