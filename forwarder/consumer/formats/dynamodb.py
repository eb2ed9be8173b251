"""Reads what DynamoDB Streams, and Kinesis Data Streams for DynamoDB, write. Pure.

Attribute values become plain ones: ``{"N":"1.50"}`` is ``Decimal("1.50")``, ``{"B":"AQ=="}`` is ``b"\\x01"``, sets are lists.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from forwarder.consumer.change import Change, Operation, Row
from forwarder.consumer.formats.rare_members import rare_members
from forwarder.consumer.members import Members
from forwarder.consumer.unreadable import Unreadable

_OPERATIONS: dict[str | None, Operation] = {"INSERT": "insert", "MODIFY": "update", "REMOVE": "delete"}
# Our UUIDs are of version 8: a hash of where the change was captured, and its seq. Those of DynamoDB are of version 4, in its streams of any.
_OURS = re.compile(
    r"(?P<first>[0-9a-f]{8})-?(?P<second>[0-9a-f]{4})-?(?P<third>8[0-9a-f]{3})-?(?P<seq>[89ab][0-9a-f]{3}-?[0-9a-f]{12})"
)
# A number of DynamoDB has at most 38. Many more would take int() a long time.
_MOST_DIGITS = 100
_MICROSECONDS = 1_000_000
_MILLISECONDS = 1000
# In milliseconds any time after the year 1973 is above this; in seconds any before 5138 is below.
_LEAST_MILLISECONDS = 100_000_000_000


def matches(document: Mapping[str, Any]) -> bool:
    """Whether this object is a record of the format."""
    return "eventName" in document and isinstance(document.get("dynamodb"), dict)


def change(document: Mapping[str, Any], *, raw: str, floats: bool = False) -> Change:
    """The change.

    Raises:
        Unreadable: a member is missing, or of another type.
    """
    members = Members(document, format="dynamodb")
    stream = members.inner("dynamodb")
    id, seq, ours = members.text("eventID"), stream.number("SequenceNumber"), members.inner("forwarder")
    is_read = ours.row("load") is not None
    # The id of a row that was read is a hash, so its record tells the seq beside it.
    origin, own_seq = (None, ours.number("seq")) if is_read else _origin_and_seq(id, seq)
    schema, table = _names(members, ours, is_ours=is_read or origin is not None)
    return Change(
        format="dynamodb",
        op=_operation(members, ours),
        schema=schema,
        table=table,
        key=_row(stream.row("Keys"), floats=floats),
        before=_row(stream.row("OldImage"), floats=floats),
        after=_row(stream.row("NewImage"), floats=floats),
        id=id,
        origin=origin,
        seq=own_seq if seq is None else seq,
        at=stream.time_since_1970("ApproximateCreationDateTime", units_a_second=_units(stream)),
        raw=raw,
        **rare_members(ours),
    )


def _units(stream: Members) -> int:
    """How many units of its time are a second: DynamoDB Streams has seconds, Kinesis milliseconds, or microseconds and says so."""
    if stream.text("ApproximateCreationDateTimePrecision") == "MICROSECOND":
        return _MICROSECONDS
    value = stream.values.get("ApproximateCreationDateTime")
    return _MILLISECONDS if isinstance(value, int) and value > _LEAST_MILLISECONDS else 1


def _operation(members: Members, ours: Members) -> Operation:
    op = _OPERATIONS.get(members.text("eventName"))
    if op is None:
        raise Unreadable("no dynamodb record: 'eventName' is none of its")
    # An event of the application's own has the name of an insert, and a row that a load has read.
    if ours.text("op") == "event":
        return "event"
    return op if ours.row("load") is None else "read"


def _origin_and_seq(id: str | None, number: int | None) -> tuple[str | None, int | None]:
    """What an id of ours tells: ``20d9130d-ae3e-8ac6`` and 267505 of ``20d9130d-ae3e-8ac6-8000-0000000414f1``, with hyphens or without.

    An id of DynamoDB Streams may look alike. It does not end with its record's ``SequenceNumber``, and ours does.
    """
    found = _OURS.fullmatch(id or "")
    # The last 62 bits of a UUID.
    seq = int(found["seq"].replace("-", ""), 16) & ((1 << 62) - 1) if found else None
    if not found or number not in (None, seq):
        return None, None
    return f"{found['first']}-{found['second']}-{found['third']}", seq


def _names(members: Members, ours: Members, *, is_ours: bool) -> tuple[str | None, str | None]:
    """Schema and table. Ours may be ``public.orders``; in a name of DynamoDB's a dot is a character like others."""
    if ours.text("schema"):
        return ours.text("schema"), ours.text("table")
    name = members.text("tableName") or _table_of(members.text("eventSourceARN"))
    schema, _, table = (name or "").rpartition(".")
    return (schema, table) if is_ours and schema else (None, name)


def _table_of(arn: str | None) -> str | None:
    """``orders`` of ``arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2024-…``."""
    _, _, path = (arn or "").partition(":table/")
    return path.partition("/")[0] or None


def _row(image: Row | None, *, floats: bool) -> Row | None:
    return None if image is None else {name: _value(value, floats=floats) for name, value in image.items()}


def _value(attribute: Any, *, floats: bool) -> Any:
    """What an attribute value such as ``{"S":"text"}`` stands for."""
    try:
        ((kind, value),) = attribute.items()
        match kind:
            case "S" | "BOOL" | "SS":
                return value
            case "NULL":
                return None
            case "N":
                return _number(value, floats=floats)
            case "NS":
                return [_number(item, floats=floats) for item in value]
            case "B":
                return b64decode(value, validate=True)
            case "BS":
                return [b64decode(item, validate=True) for item in value]
            case "L":
                return [_value(item, floats=floats) for item in value]
            case "M":
                return {name: _value(item, floats=floats) for name, item in value.items()}
    except (AttributeError, TypeError, ValueError, binascii.Error, InvalidOperation, RecursionError):
        pass
    raise Unreadable("no dynamodb record: an attribute has no type, or another than its value")


def _number(text: Any, *, floats: bool) -> int | Decimal | float:
    digits = str(text)
    if len(digits) <= _MOST_DIGITS and digits.lstrip("-").isdecimal():
        return int(digits)
    return float(digits) if floats else Decimal(digits)
