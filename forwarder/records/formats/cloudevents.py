"""The format ``cloudevents``: CloudEvents 1.0 in structured JSON, whose ``data`` is the native record. Pure.

The rules of the attributes are in https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, and in ``partitioning.md`` and ``sequence.md``
of its extensions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote

import msgspec

from forwarder.events import CapturedTable, Event
from forwarder.records.formats import native
from forwarder.records.formats.encoder import Encoder, Provenance
from forwarder.records.formats.times import clock_of

_TYPES = {
    b"I": "forwarder.row.inserted",
    b"U": "forwarder.row.updated",
    b"D": "forwarder.row.deleted",
    b"R": "forwarder.row.read",
    b"T": "forwarder.table.truncated",
    b"G": "forwarder.table.gap",
    b"S": "forwarder.table.altered",
    b"L": "forwarder.table.load",
    b"E": "forwarder.event.emitted",
}
_NONCHARACTERS = "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
# What no attribute may hold: control characters, halves of surrogate pairs, and noncharacters.
_FORBIDDEN = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")
_SECOND = 1_000_000


def encoder(provenance: Provenance) -> Encoder:
    """A function from events to the bytes of their records, one each."""
    write = native.writer(provenance)
    origins, database = provenance.origins, provenance.database

    def encode(events: Sequence[Event]) -> list[bytes]:
        encoded: list[bytes] = []
        # Of the event before: the seqs whose ids begin alike and that beginning; the attributes that its table has; and its second.
        first_seq, last_seq, origin = 1, 0, ""
        table, of_table, place, second, clock = None, "", "", 0, clock_of(0)
        for event, data in zip(events, write(events), strict=True):
            if event.table is not table:
                table = event.table
                of_table, place = _of_table(table, database)
            seq, key, microseconds = event.seq, event.key_values, event.at - second
            if not first_seq <= seq <= last_seq:
                first_seq, last_seq, origin = origins.around(seq)
            if not 0 <= microseconds < _SECOND:
                microseconds = event.at % _SECOND
                second = event.at - microseconds
                clock = clock_of(second)
            digits = f"{seq:016x}"
            id = f"{origin}/{digits}"
            if not event.txid:
                digits, id = f"{event.told_seq:016x}", origins.id_of(event)
            of_key = f'.{key}","subject":"{key}"' if key and key.isalnum() else _of_key(key)
            line = (
                f'{{"specversion":"1.0","type":"{_TYPES[event.op]}",{of_table},"id":"{id}","time":"{clock}.{microseconds:06d}Z",'
                f'"sequence":"{digits}","partitionkey":"{place}{of_key},"data":{data}}}'
            )
            encoded.append(line.encode())
        return encoded

    return encode


@lru_cache(maxsize=4096)
def _of_table(table: CapturedTable, database: str) -> tuple[str, str]:
    """The attributes that all changes of a table have, and what their partition keys begin with."""
    source = "/".join(quote(name, safe="", errors="replace") for name in (database, table.schema, table.name))
    attributes = f'"source":"/postgresql/{source}","datacontenttype":"application/json"'
    return attributes, _escaped(table.qualified_name)


def _of_key(key_values: str | None) -> str:
    """The end of ``partitionkey``, and ``subject``."""
    key = _escaped(key_values or "")
    return f'.{key}","subject":"{key}"' if key else '"'


def _escaped(text: str) -> str:
    """The text as it stands in a JSON string that CloudEvents allows: characters that it forbids are percent-encoded."""
    if not text.isprintable():
        text = _FORBIDDEN.sub(lambda found: quote(found[0], safe="", errors="surrogatepass"), text)
    return msgspec.json.encode(text).decode()[1:-1]
