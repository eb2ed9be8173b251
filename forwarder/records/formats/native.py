"""The native record format: one JSON object on one line, the row images spliced in as the server wrote them. Pure."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from forwarder.events import CapturedTable, Event
from forwarder.records.origins import Origins

Encoder = Callable[[Sequence[Event]], list[bytes]]

_OPERATIONS = {b"I": "insert", b"U": "update", b"D": "delete", b"T": "truncate", b"G": "gap"}
_MOVED = {b"D": "moved_to", b"I": "moved_from"}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
# The place of the one change of a transaction.
_ONLY_PLACE = '{"index":1,"count":1}'
# Looking digits up takes half as long as formatting them, or less. Three digits of a fraction:
_THREE_DIGITS = [f"{number:03d}" for number in range(1000)]
# The last three of the 16 hexadecimal ones of an id.
_ID_BITS = 12
_ID_MASK = (1 << _ID_BITS) - 1
_ID_ENDS = [f"{number:03x}" for number in range(1 << _ID_BITS)]


def encoder(origins: Origins) -> Encoder:
    """A function from events to the bytes of their records, one each.

    ``id`` is the name of the change's origin and ``seq`` in 16 hexadecimal digits: the same over every re-send.
    """

    def encode(events: Sequence[Event]) -> list[bytes]:
        encoded: list[bytes] = []
        # What an event has in common with the one before it, most likely, is not formatted again.
        second, clock = 0, _clock(0)
        first_seq, last_seq, id_of_block = 1, 0, ""
        table, op, partition, origin, has_before = None, None, None, "", False
        for event in events:
            seq, count = event.seq, event.count
            if not first_seq <= seq <= last_seq:
                first_seq, last_seq, id_of_block = _block(origins, seq)
            if event.table is not table or event.op is not op or event.partition is not partition:
                table, op, partition = event.table, event.op, event.partition
                origin, has_before = _origin(op, table, partition), table.before_image != "none"
            microseconds = event.at - second
            if not 0 <= microseconds < _SECOND:
                microseconds = event.at % _SECOND
                second = event.at - microseconds
                clock = _clock(second)
            thousands, rest = divmod(microseconds, 1000)
            tx = _ONLY_PLACE if count == 1 else f'{{"index":{event.index or "null"},"count":{count or "null"}}}'
            before = (event.before if has_before else _key_that_moves(event)) or "null"
            rarely = _rarely(event) if event.fault or event.omitted or event.moved else ""
            line = (
                f'{id_of_block}{_ID_ENDS[seq & _ID_MASK]}","seq":{seq},{origin},"key":{event.key or "null"},'
                f'"at":"{clock}.{_THREE_DIGITS[thousands]}{_THREE_DIGITS[rest]}Z","txid":"{event.txid}","tx":{tx},'
                f'"before":{before},"after":{event.after or "null"}{rarely}}}'
            )
            if "\n" in line or "\r" in line:
                # A column of type json keeps the line breaks it was written with; between the tokens of JSON a space is as good.
                line = line.replace("\n", " ").replace("\r", " ")
            encoded.append(line.encode())
        return encoded

    return encode


def _block(origins: Origins, seq: int) -> tuple[int, int, str]:
    """The seqs around this one whose records begin in the same way, the first and the last, and how."""
    named = origins.around(seq)
    block = seq & ~_ID_MASK
    opening = f'{{"id":"{named.name}/{seq >> _ID_BITS:013x}'
    return max(named.first_seq, block), min(named.last_seq, block | _ID_MASK), opening


def _clock(microseconds: int) -> str:
    """``2026-01-02T03:04:05`` from microseconds since 2000-01-01 UTC."""
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=4096)
def _origin(op: bytes, table: CapturedTable, partition: str | None) -> str:
    named = f'"op":"{_OPERATIONS[op]}","schema":{_json(table.schema)},"table":{_json(table.name)}'
    return named if partition is None else f'{named},"partition":{_json(partition)}'


def _key_that_moves(event: Event) -> str | None:
    """What a record keeps of the old row where a table's are left out: the key, if an update takes it away."""
    return event.key if event.moved and event.op == b"D" else None


def _rarely(event: Event) -> str:
    """What few records have."""
    moved = f',"{_MOVED[event.op]}":{event.moved}' if event.moved else ""
    fault = f',"fault":"{event.fault}"' if event.fault else ""
    return moved + fault + _omitted(event) if event.omitted else moved + fault


def _omitted(event: Event) -> str:
    stored_at = f',"stored_at":{_json(event.stored_at)}' if event.stored_at else ""
    return f',"omitted":{_json(event.omitted)}{stored_at}'


def _json(value: str | tuple[str, ...]) -> str:
    return msgspec.json.encode(value).decode()
