"""The native record format: one JSON object on one line, the row images spliced in as the server wrote them. Pure.

Each event passes through here, so the loop is written for speed: 0.9 µs an event, where formatting every field of every event takes 6 µs. All in all
the listener spends 12 µs of CPU on an event (``python -m bench drain``). Three things make the difference:

1. What an event most likely has in common with the one before it is kept as text: the beginning of the id (4,096 seqs have the same), the clock to
   the second, and what is said of operation and table.
2. Short numbers are looked up in a list: the end of the id, and the milliseconds and microseconds.
3. The line is one f-string, without a call for what most events do not have.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import msgspec

from forwarder.events import CapturedTable, Event
from forwarder.records.formats.encoder import Encoder, Provenance
from forwarder.records.formats.rare_members import rare_members
from forwarder.records.formats.times import clock_of, time_of
from forwarder.records.operations import OPERATIONS
from forwarder.records.origins import Origins

_SECOND = 1_000_000
# `tx` of the only change of a transaction.
_ONLY_PLACE = '{"index":1,"count":1}'
# Decimal digits of milliseconds, or of microseconds.
_THREE_DIGITS = [f"{number:03d}" for number in range(1000)]
# An id has 16 hexadecimal digits of the seq; these are the last three.
_ID_BITS = 12
_ID_MASK = (1 << _ID_BITS) - 1
_ID_ENDS = [f"{number:03x}" for number in range(1 << _ID_BITS)]


def encoder(provenance: Provenance) -> Encoder:
    """A function from events to the bytes of their records, one each."""
    write = writer(provenance)

    def encode(events: Sequence[Event]) -> list[bytes]:
        # What a load has read comes by itself.
        lines = _of_loads(events, provenance.origins) if events and events[0].reading else write(events)
        # Each as soon as it is written: the text is in the processor's cache then, and is freed before the next one.
        return list(map(str.encode, lines))

    return encode


def writer(provenance: Provenance) -> Callable[[Iterable[Event]], Iterator[str]]:
    """A function from events to their records as text, one each.

    ``id`` is the name of the change's origin and ``seq`` in 16 hexadecimal digits: the same over every re-send.
    """

    origins = provenance.origins

    def write(events: Iterable[Event]) -> Iterator[str]:
        # Of the event before: its second and that as text; the seqs whose ids begin alike and that beginning; what it changed and that as text.
        second, clock = 0, clock_of(0)
        first_seq, last_seq, id_of_block = 1, 0, ""
        table, op, partition, changed, has_before = None, None, None, "", False
        for event in events:
            if not event.txid:
                yield from _of_loads((event,), origins)
                continue
            seq, count = event.seq, event.count
            if not first_seq <= seq <= last_seq:
                first_seq, last_seq, id_of_block = _block(origins, seq)
            if event.table is not table or event.op is not op or event.partition is not partition:
                table, op, partition = event.table, event.op, event.partition
                changed, has_before = _changed(op, table, partition), table.before_image != "none" or op == b"S"
            microseconds = event.at - second
            if not 0 <= microseconds < _SECOND:
                microseconds = event.at % _SECOND
                second = event.at - microseconds
                clock = clock_of(second)
            thousands = microseconds // 1000
            tx = _ONLY_PLACE if count == 1 else f'{{"index":{event.index or "null"},"count":{count or "null"}}}'
            before = (event.before if has_before else _key_that_moves(event)) or "null"
            rare = (
                rare_members(event)
                if event.fault or event.omitted or event.moved or event.context or event.extra or event.committed_at
                else ""
            )
            line = (
                f'{id_of_block}{_ID_ENDS[seq & _ID_MASK]}","seq":{seq},{changed},"key":{event.key or "null"},'
                f'"at":"{clock}.{_THREE_DIGITS[thousands]}{_THREE_DIGITS[microseconds - 1000 * thousands]}Z","txid":"{event.txid}","tx":{tx},'
                f'"before":{before},"after":{event.after or "null"}{rare}}}'
            )
            if "\n" in line or "\r" in line:
                # A column of type json keeps the line breaks that it was written with. They stand between tokens, where a space means the same.
                line = line.replace("\n", " ").replace("\r", " ")
            yield line

    return write


def _of_loads(events: Iterable[Event], origins: Origins) -> Iterator[str]:
    """The records of rows that were read, and of the beginning and end of loads. They belong to no transaction.

    All rows of a chunk have most of their records in common, so that is made once: 0.7 µs a row, where all of it takes 3 µs.
    """
    # Of the event before: the load, what else its record says beside the row, and that as text.
    load, seq, at, table, op, partition = None, None, None, None, None, None
    id_of_load, before_key, before_row = "", "", ""
    for event in events:
        reading = event.reading
        if (
            event.table is not table
            or event.at != at
            or event.seq != seq
            or event.op is not op
            or event.partition is not partition
            or (reading and reading.load) != load
        ):
            load, table, op, partition = reading and reading.load, event.table, event.op, event.partition
            seq, at = event.seq, event.at
            id_of_load = origins.id_of(event).removesuffix(reading.name) if reading else ""
            before_key = f'","seq":{event.told_seq},{_changed(op, table, partition)},"key":'
            before_row = f',"at":"{time_of(at)}","txid":null,"tx":null,"before":null,"after":'
        named = f"{id_of_load}{reading.name}" if reading else origins.id_of(event)
        extra = event.extra
        is_rare = event.fault or event.omitted or event.context or event.moved or event.committed_at
        rare = f",{extra}" if extra and not is_rare else rare_members(event)
        line = f'{{"id":"{named}{before_key}{event.key or "null"}{before_row}{event.after or "null"}{rare}}}'
        if "\n" in line or "\r" in line:
            # As in `write`.
            line = line.replace("\n", " ").replace("\r", " ")
        yield line


def _block(origins: Origins, seq: int) -> tuple[int, int, str]:
    """The first and the last of the seqs around this one whose records begin alike, and that beginning."""
    named = origins.around(seq)
    block = seq & ~_ID_MASK
    opening = f'{{"id":"{named.name}/{seq >> _ID_BITS:013x}'
    return max(named.first_seq, block), min(named.last_seq, block | _ID_MASK), opening


@lru_cache(maxsize=4096)
def _changed(op: bytes, table: CapturedTable, partition: str | None) -> str:
    """The members that say what was done to which table."""
    named = f'"op":"{OPERATIONS[op]}","schema":{_json(table.schema)},"table":{_json(table.name)}'
    return named if partition is None else f'{named},"partition":{_json(partition)}'


def _key_that_moves(event: Event) -> str | None:
    """What stands for the old row where a table's old rows are left out: the key, if an update has taken it from the row; else nothing."""
    return event.key if event.moved and event.op == b"D" else None


def _json(value: str) -> str:
    return msgspec.json.encode(value).decode()
