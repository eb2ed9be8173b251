"""The format ``lambda``: what was done and the row, as a trigger that calls an AWS Lambda function hands them over. Pure.

``{"type":"INSERT","data":{"id":42}}`` and ``{"type":"UPDATE","data":{"old":{"id":42},"new":{"id":42}}}``, the images as the server wrote them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from forwarder.config.formats import Lambda
from forwarder.events import CapturedTable, Event
from forwarder.records.formats.encoder import Encoder, Provenance
from forwarder.records.formats.rare_members import rare_members
from forwarder.records.stretches import TABLE_WIDE

# What has a new row alone, and what has no row.
_NEW = {b"I": "INSERT", b"R": "READ", b"E": "EVENT"}
_NONE = {b"T": "TRUNCATE", b"G": "GAP", b"L": "LOAD"}


def encoder(provenance: Provenance, options: Lambda) -> Encoder:
    """A function from events to the bytes of their records, one each."""
    id_of = provenance.origins.id_of

    def encode(events: Sequence[Event]) -> list[bytes]:
        encoded: list[bytes] = []
        for event in events:
            named = _named(event.table, event.partition) if options.table or event.op in TABLE_WIDE else ""
            if options.id:
                named = f'{named},"id":"{id_of(event)}","seq":{event.told_seq}'
            if event.fault or event.omitted or event.moved or event.context or event.extra or event.committed_at:
                named += _rarely(event)
            line = f'{{"type":{_change(event)}{named}}}'
            if "\n" in line or "\r" in line:
                # A column of type json keeps the line breaks that it was written with. They stand between tokens, where a space means the same.
                line = line.replace("\n", " ").replace("\r", " ")
            encoded.append(line.encode())
        return encoded

    return encode


def _change(event: Event) -> str:
    """``"INSERT","data":{…}``."""
    op = event.op
    if op in _NEW:
        return f'"{_NEW[op]}","data":{event.after or "null"}'
    if op in _NONE:
        return f'"{_NONE[op]}","data":null'
    # The outbox may have old rows of a table whose records are to have none.
    before = event.before if event.table.before_image != "none" or op == b"S" else None
    if op == b"D":
        return f'"DELETE","data":{before or event.key or "null"}'
    type = "UPDATE" if op == b"U" else "SCHEMA"
    return f'"{type}","data":{{"old":{before or "null"},"new":{event.after or "null"}}}'


@lru_cache(maxsize=4096)
def _named(table: CapturedTable, partition: str | None) -> str:
    names = {"schema": table.schema, "table": table.name} | ({} if partition is None else {"partition": partition})
    return f",{msgspec.json.encode(names).decode()[1:-1]}"


def _rarely(event: Event) -> str:
    """The members that few records have. Where an image is missing, the key says which row it is."""
    is_bare = event.fault or event.omitted
    return (f',"key":{event.key}' if is_bare and event.key else "") + rare_members(event)
