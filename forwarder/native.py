"""The native record format: one JSON object on one line, the row images spliced in as the server wrote them. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from forwarder.events import Event, Table

Encoder = Callable[[Event], bytes]

_OPERATIONS = {b"I": "insert", b"U": "update", b"D": "delete", b"T": "truncate", b"G": "gap"}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def encoder(system_identifier: int) -> Encoder:
    """A function from an event to the bytes of its record.

    ``id`` is the cluster's system identifier and ``seq`` in 16 hexadecimal digits: the same over every re-send.
    """

    opening = f'{{"id":"{system_identifier}/'

    def encode(event: Event) -> bytes:
        seq, count = event.seq, event.count
        before = "null" if event.before is None or event.table.before_image == "none" else event.before
        place = f'{{"index":{event.index},"count":{count}}}' if count > 1 else '{"index":1,"count":1}'
        fault = f',"fault":"{event.fault}"' if event.fault else ""
        omitted = _omitted(event) if event.omitted else ""
        line = (
            f'{opening}{seq:016x}","seq":{seq},"op":"{_OPERATIONS[event.op]}",'
            f'{_table(event.table, event.partition)},"key":{event.key or "null"},"at":"{timestamp(event.at)}",'
            f'"txid":"{event.txid}","tx":{place},"before":{before},"after":{event.after or "null"}{fault}{omitted}}}'
        )
        # A column of type json keeps the line breaks it was written with; between the tokens of JSON a space is as good.
        return (line.replace("\n", " ").replace("\r", " ") if "\n" in line or "\r" in line else line).encode()

    return encode


def timestamp(microseconds: int) -> str:
    """``2026-01-02T03:04:05.123456Z`` from microseconds since 2000-01-01 UTC."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    # Its last six digits, zeros in front included, sooner than a format does it.
    return f"{_second(seconds)}.{str(1_000_000 + fraction)[1:]}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=4096)
def _table(table: Table, partition: str | None) -> str:
    named = f'"schema":{_json(table.schema)},"table":{_json(table.name)}'
    return named if partition is None else f'{named},"partition":{_json(partition)}'


def _omitted(event: Event) -> str:
    stored_at = f',"stored_at":{_json(event.stored_at)}' if event.stored_at else ""
    return f',"omitted":{_json(event.omitted)}{stored_at}'


def _json(value: str | tuple[str, ...]) -> str:
    return msgspec.json.encode(value).decode()
