"""The native record format: one JSON object on one line, the row images spliced in as the server wrote them. Pure."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from forwarder.events import Event, Table

Encoder = Callable[[Sequence[Event]], list[bytes]]

_OPERATIONS = {b"I": "insert", b"U": "update", b"D": "delete", b"T": "truncate", b"G": "gap"}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
# The place of the one change of a transaction.
_ALONE = '{"index":1,"count":1}'
# Looking three digits up takes half as long as formatting six.
_THREE_DIGITS = [f"{number:03d}" for number in range(1000)]


def encoder(system_identifier: int) -> Encoder:
    """A function from events to the bytes of their records, one each.

    ``id`` is the cluster's system identifier and ``seq`` in 16 hexadecimal digits: the same over every re-send.
    """
    opening = f'{{"id":"{system_identifier}/'

    def encode(events: Sequence[Event]) -> list[bytes]:
        encoded: list[bytes] = []
        second, clock = 0, _clock(0)
        for event in events:
            seq, table, count = event.seq, event.table, event.count
            microseconds = event.at - second
            if not 0 <= microseconds < _SECOND:
                microseconds = event.at % _SECOND
                second = event.at - microseconds
                clock = _clock(second)
            thousands, rest = divmod(microseconds, 1000)
            tx = _ALONE if count == 1 else f'{{"index":{event.index},"count":{count or "null"}}}'
            before = "null" if event.before is None or table.before_image == "none" else event.before
            rarely = _rarely(event) if event.fault or event.omitted else ""
            line = (
                f'{opening}{seq:016x}","seq":{seq},{_origin(event.op, table, event.partition)},"key":{event.key or "null"},'
                f'"at":"{clock}.{_THREE_DIGITS[thousands]}{_THREE_DIGITS[rest]}Z","txid":"{event.txid}","tx":{tx},'
                f'"before":{before},"after":{event.after or "null"}{rarely}}}'
            )
            if "\n" in line or "\r" in line:
                # A column of type json keeps the line breaks it was written with; between the tokens of JSON a space is as good.
                line = line.replace("\n", " ").replace("\r", " ")
            encoded.append(line.encode())
        return encoded

    return encode


def _clock(microseconds: int) -> str:
    """``2026-01-02T03:04:05`` from microseconds since 2000-01-01 UTC."""
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S")


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
