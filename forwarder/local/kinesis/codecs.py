"""The two formats of bodies, JSON and CBOR, by the content type of a request. Its answer is in the same format, errors too. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import msgspec

from forwarder.aws import cbor
from forwarder.local.kinesis.cbor_records import read_entries, write_results
from forwarder.local.kinesis.protocol import ErrorResponse, PutRecordsRequest, PutRecordsResponse, Shape


class Codec(Protocol):
    """Reads requests and writes answers in one format."""

    content_type: str

    def decode(self, body: bytes, shape: type[Shape]) -> Any:
        """A request of this shape.

        Raises:
            msgspec.DecodeError, Malformed: the body has another shape, or another format.
        """

    def encode(self, response: Shape | ErrorResponse) -> bytes:
        """The body of an answer."""


class _Json:
    content_type = "application/x-amz-json-1.1"

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode

    def decode(self, body: bytes, shape: type[Shape]) -> Any:
        return _json_decoder(shape)(body)

    def encode(self, response: Shape | ErrorResponse) -> bytes:
        return self._encode(response)


class _Cbor:
    """``Data`` is a byte string, and times are tagged; else it is as in JSON."""

    content_type = "application/x-amz-cbor-1.1"

    def decode(self, body: bytes, shape: type[Shape]) -> Any:
        if shape is PutRecordsRequest:
            return _put_records_request(body)
        # An empty body is an empty request, as SDKs for Java send it.
        return msgspec.convert(cbor.decode(body) if body else {}, shape)

    def encode(self, response: Shape | ErrorResponse) -> bytes:
        if isinstance(response, PutRecordsResponse):
            return _put_records_response(response)
        return cbor.encode(msgspec.to_builtins(response, builtin_types=(bytes,)))


def _put_records_request(body: bytes) -> PutRecordsRequest:
    reader = cbor.Reader(body)
    members: dict[str, Any] = {}
    count = reader.map()
    while not reader.is_over(count, len(members)):
        name = reader.value()
        if not isinstance(name, str) or name in members:
            raise cbor.Malformed("a name that is none, or comes twice")
        members[name] = read_entries(reader) if name == "Records" else reader.value()
    reader.end()
    return msgspec.convert(members, PutRecordsRequest)


def _put_records_response(response: PutRecordsResponse) -> bytes:
    others = msgspec.to_builtins(response)
    del others["Records"]
    # All members but the last, which are the results: the head of the map counts them, too.
    opening = cbor.head(cbor.MAP, len(others) + 1) + cbor.encode(others)[1:]
    return opening + cbor.text("Records") + write_results(response.records)


JSON: Codec = _Json()
CBOR: Codec = _Cbor()


def codec_of(content_type: str) -> Codec:
    """The codec for a request. One without a content type that is known is in JSON."""
    return CBOR if content_type == CBOR.content_type else JSON


@cache
def _json_decoder(shape: type[Shape]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(shape).decode
