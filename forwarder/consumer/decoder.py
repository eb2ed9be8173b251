"""From the data of a record to the changes that it tells of, in whatever format it is written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from forwarder.consumer.change import Change, Format
from forwarder.consumer.formats import cloudevents, debezium, dms, dynamodb, native, row_to_lambda
from forwarder.consumer.json_texts import values
from forwarder.consumer.payloads import payloads
from forwarder.consumer.unreadable import Unreadable

_Matches = Callable[[Mapping[str, Any]], bool]
_Read = Callable[..., Change | None]

# No object matches two of them.
_FORMATS: dict[Format, tuple[_Matches, _Read]] = {
    "native": (native.matches, native.change),
    "cloudevents": (cloudevents.matches, cloudevents.change),
    "debezium": (debezium.matches, debezium.change),
    "dms": (dms.matches, dms.change),
    "dynamodb": (dynamodb.matches, dynamodb.change),
    "lambda": (row_to_lambda.matches, row_to_lambda.change),
}


def decode(data: bytes, *, format: Format | None = None, floats: bool = False) -> list[Change]:
    """The changes that the data of one Kinesis record tells of, in their order.

    An aggregate of the KPL is taken apart, gzip and zstd are decompressed, and a payload may hold several JSON objects. Data that is empty, or
    tells of no change (a tombstone, the beginning of a transaction), gives none.

    Args:
        data: as the SDK gives it; of a Lambda event, after base64.
        format: of the records. If it is not given, each object is looked at.
        floats: read numbers with a point or an exponent as float, which is faster and not exact, and not as Decimal.

    Raises:
        Unreadable: a part of it is no record of the format, or of any. The error has the changes of all other parts.
    """
    found: list[Change] = []
    unreadable: list[Unreadable] = []
    for payload in payloads(data, unreadable.append):
        for raw, document in values(payload.data, unreadable.append, floats=floats):
            try:
                change = None if document is None else _change(document, raw, format=format, floats=floats)
            except Unreadable as error:
                unreadable.append(error)
            else:
                found += [change] if change else []
    if unreadable:
        raise Unreadable(str(unreadable[0]), changes=found, count=len(unreadable))
    return found


def _change(document: Any, raw: str, *, format: Format | None, floats: bool) -> Change | None:
    if not isinstance(document, dict):
        raise Unreadable("a record is a JSON object, and this is none")
    matches, read = _FORMATS[format] if format else _format_of(document)
    if format and not matches(document):
        raise Unreadable(f"no {format} record")
    # Other numbers than those of DynamoDB are read by now.
    reader = partial(read, floats=floats) if read is dynamodb.change else read
    return reader(document, raw=raw)


def _format_of(document: Mapping[str, Any]) -> tuple[_Matches, _Read]:
    for matches, read in _FORMATS.values():
        if matches(document):
            return matches, read
    raise Unreadable("a record of no format that is known here")
