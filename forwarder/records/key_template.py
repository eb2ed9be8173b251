"""Fills a template such as ``{schema}.{table}:{after.region}`` with what an event has, which makes its partition key. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from forwarder.config.key_template import Piece, Placeholder
from forwarder.events import Event
from forwarder.records.operations import OPERATIONS
from forwarder.records.row_columns import Absent, ReadMember, RowColumns

# From an event to the text of one piece; None: the event has nothing to put there.
_Fill = Callable[[Event], str | None]


def template_filler(pieces: Sequence[Piece], reader_of: Callable[[str], ReadMember], tell_absent: Absent) -> _Fill:
    """A function from events to keys; None for an event that lacks something that the template names. For the parameters see ``chooser``."""
    fills = [_fill_of(piece, reader_of, tell_absent) for piece in pieces]

    def fill(event: Event) -> str | None:
        texts: list[str] = []
        for fill_piece in fills:
            text = fill_piece(event)
            if text is None:
                return None
            texts.append(text)
        return "".join(texts)

    return fill


def _fill_of(piece: Piece, reader_of: Callable[[str], ReadMember], tell_absent: Absent) -> _Fill:
    if isinstance(piece, str):
        return lambda _: piece
    if piece.member is not None:
        return _member_of(piece, piece.member, reader_of, tell_absent)
    fills: dict[str, _Fill] = {
        "schema": lambda event: event.table.schema,
        "table": lambda event: event.table.name,
        "key": lambda event: event.key_values,
        "op": lambda event: OPERATIONS[event.op],
        # What a load has read is of no transaction.
        "txid": lambda event: str(event.txid) if event.txid else None,
    }
    return fills[piece.source]


def _member_of(piece: Placeholder, member: str, reader_of: Callable[[str], ReadMember], tell_absent: Absent) -> _Fill:
    if piece.source in ("after", "before"):
        columns = RowColumns((member,), reader_of, tell_absent)
        return partial(columns.values, prefers_old=piece.source == "before")
    read = reader_of(member)
    if piece.source == "key":
        return lambda event: read(event.key) if event.key else None
    return lambda event: read(event.context) if event.context else None
