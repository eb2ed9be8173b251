"""What it costs to encode a change in each format, over what it costs in the native one: CPU time alone, without a database.

The changes are of one table: of ten, five insert a row, four update one, and one deletes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import process_time

from bench.figures import Figure
from bench.size import QUICK, Size
from forwarder.config.formats import FORMATS
from forwarder.config.sink_url import Framing
from forwarder.events import CapturedTable, Column, ColumnType, Event
from forwarder.records.formats.catalogue import record_format
from forwarder.records.formats.encoder import Encoder, Provenance
from forwarder.records.origins import Origin, Origins

# In microseconds an event, over native.
_TARGETS = {"lambda": 1.0, "cloudevents": 1.0, "debezium": 5.0, "dynamodb": 5.0, "dms": 5.0}
_EVENTS = 100
# Of the rounds of a run the fastest counts. They take less than a millisecond each, so that some are not disturbed by others on the machine.
_ROUNDS = 3000

_PROVENANCE = Provenance(origins=Origins([Origin(0, "7312459/16384")]), database="shop", region="eu-west-1")
# Names of types and their modifiers: total is a numeric(10,2).
_COLUMNS = {
    "id": ("int8", -1),
    "customer": ("uuid", -1),
    "status": ("text", -1),
    "total": ("numeric", (10 << 16 | 2) + 4),
    "placed_at": ("timestamptz", -1),
    "due": ("date", -1),
    "quantity": ("int4", -1),
    "note": ("text", -1),
}
_TABLE = CapturedTable(
    id=1,
    relation=16400,
    schema="public",
    name="orders",
    key_columns=(("id",),),
    before_image="full",
    columns=tuple(
        Column(name, ColumnType("pg_catalog", type, "b", modifier, is_array=False))
        for name, (type, modifier) in _COLUMNS.items()
    ),
)
_OPERATIONS = (b"I", b"U", b"I", b"U", b"I", b"U", b"I", b"U", b"I", b"D")


async def measure(size: Size, runs: int) -> Sequence[Figure]:
    """All formats that there are, one after the other in each round."""
    events = [_event(number) for number in range(_EVENTS)]
    encoders = {name: record_format(kind(), Framing(), _PROVENANCE).encode for name, kind in FORMATS.items()}
    fastest: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(runs):
        rounds: dict[str, list[float]] = {name: [] for name in encoders}
        for _ in range(_ROUNDS // 10 if size is QUICK else _ROUNDS):
            for name, encode in encoders.items():
                rounds[name].append(_microseconds(encode, events))
        for name, taken in rounds.items():
            fastest[name].append(min(taken))
    native = fastest.pop("native")
    return [
        Figure(name="native", unit="µs/event", runs=native, digits=2),
        *(
            Figure(
                name=f"{name}, over native",
                unit="µs/event",
                runs=[own - base for own, base in zip(taken, native, strict=True)],
                digits=2,
                at_most=_TARGETS.get(name),
            )
            for name, taken in fastest.items()
        ),
    ]


def _microseconds(encode: Encoder, events: Sequence[Event]) -> float:
    """CPU time an event."""
    began = process_time()
    encode(events)
    return (process_time() - began) / len(events) * 1e6


def _event(number: int) -> Event:
    op = _OPERATIONS[number % len(_OPERATIONS)]
    return Event(
        seq=267_505 + number,
        txid=1140 + number,
        at=820_638_245_123_456 + number * 1000,
        table=_TABLE,
        partition=None,
        op=op,
        before=None if op == b"I" else _image(number, "new"),
        after=None if op == b"D" else _image(number, "paid"),
        fault=None,
        index=1,
        count=1,
        key=f'{{"id":{number}}}',
        key_values=str(number),
    )


def _image(number: int, status: str) -> str:
    return (
        f'{{"id":{number},"customer":"6f1e3e2a-0b1c-4d5e-8f90-a1b2c3d4e5f6","status":"{status}","total":{number}.{number % 100:02d},'
        f'"placed_at":"2026-01-02T03:04:{number % 60:02d}.123456+00:00","due":"2026-02-{number % 28 + 1:02d}",'
        f'"quantity":{number % 7},"note":"{"a few words " * 3}"}}'
    )
