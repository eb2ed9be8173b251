"""The native record format: one JSON object on one line, the row images spliced in as the server wrote them. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from forwarder.events import Event, Table

Encoder = Callable[[Event], bytes]

_OPERATIONS = {b"I": "insert", b"U": "update", b"D": "delete", b"T": "truncate", b"G": "gap"}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# Looking three digits up takes half as long as formatting six.
_THREE_DIGITS = [f"{number:03d}" for number in range(1000)]


def encoder(system_identifier: int) -> Encoder:
    """A function from an event to the bytes of its record.

    ``id`` is the cluster's system identifier and ``seq`` in 16 hexadecimal digits: the same over every re-send.
    """

    opening = f'{{"id":"{system_identifier}/'

    def encode(event: Event) -> bytes:
        seq, table = event.seq, event.table
        before = "null" if event.before is None or table.before_image == "none" else event.before
        rarely = _rarely(event) if event.fault or event.omitted else ""
        line = (
            f'{opening}{seq:016x}","seq":{seq},{_origin(event.op, table, event.partition)},"key":{event.key or "null"},'
            f'"at":"{timestamp(event.at)}","txid":"{event.txid}","tx":{{"index":{event.index},"count":{event.count or "null"}}},'
            f'"before":{before},"after":{event.after or "null"}{rarely}}}'
        )
        # A column of type json keeps the line breaks it was written with; between the tokens of JSON a space is as good.
        return (line.replace("\n", " ").replace("\r", " ") if "\n" in line or "\r" in line else line).encode()

    return encode


def timestamp(microseconds: int) -> str:
    """``2026-01-02T03:04:05.123456Z`` from microseconds since 2000-01-01 UTC."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    thousands, rest = divmod(fraction, 1000)
    return f"{_second(seconds)}.{_THREE_DIGITS[thousands]}{_THREE_DIGITS[rest]}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=4096)
def _origin(op: bytes, table: Table, partition: str | None) -> str:
    named = f'"op":"{_OPERATIONS[op]}","schema":{_json(table.schema)},"table":{_json(table.name)}'
    return named if partition is None else f'{named},"partition":{_json(partition)}'


def _rarely(event: Event) -> str:
    """What few records have."""
    fault = f',"fault":"{event.fault}"' if event.fault else ""
    return fault + _omitted(event) if event.omitted else fault


def _omitted(event: Event) -> str:
    stored_at = f',"stored_at":{_json(event.stored_at)}' if event.stored_at else ""
    return f',"omitted":{_json(event.omitted)}{stored_at}'


def _json(value: str | tuple[str, ...]) -> str:
    return msgspec.json.encode(value).decode()
