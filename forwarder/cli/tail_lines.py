"""The line by which ``forwarder tail`` shows a change. Pure.

2026-01-02 03:04:05.123  0003  update    public.orders  id=42  seq 267505  1/2  status: "new" → "paid"
2026-01-02 03:04:05.124  0001  insert    public.items  id=7  seq 267506  2/2  order_id=42, price=1.10
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from rich.text import Text

from forwarder.cli.terminal_text import safe
from forwarder.consumer.change import Change, Row
from forwarder.consumer.reading.stored_record import StoredRecord

_STYLES = {
    "insert": "green",
    "update": "yellow",
    "delete": "red",
    "truncate": "bold magenta",
    "read": "cyan",
    "load": "bold cyan",
    "gap": "bold red",
    "schema": "blue",
    "event": "magenta",
}
# Of a value, and of a row or a document; a line of a terminal has 80 to 200.
_VALUE_CHARACTERS = 60
_SHOWN_MEMBERS = 20
_SHOWN_LEVELS = 3


def line(change: Change, record: StoredRecord, *, is_repeat: bool = False) -> Text:
    """The line, in colours. What a record has not, it leaves out."""
    text = Text(style="dim" if is_repeat else "")
    for part, style in _parts(change, record):
        text.append(safe(part), style=style).append("  ")
    if is_repeat:
        text.append("repeat", style="bold")
    text.rstrip()
    return text


def _parts(change: Change, record: StoredRecord) -> Iterator[tuple[str, str]]:
    if at := change.at or record.arrived_at:
        yield _time(at), "dim"
    if record.shard:
        yield record.shard[-4:], "dim"
    yield f"{change.op:8}", _STYLES[change.op]
    if name := ".".join(filter(None, (change.schema, change.table))):
        yield name, "bold"
    if change.partition:
        yield f"partition {change.partition}", ""
    if change.key:
        yield _row(change.key, between="="), "bold"
    if change.seq is not None:
        yield f"seq {change.seq}", "dim"
    if change.tx_index is not None:
        yield f"{change.tx_index}/{change.tx_count or '?'}", "dim"
    if change.load:
        yield _load(change.load), "dim"
    if details := _details(change):
        yield details, ""


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


def _load(load: Row) -> str:
    """``load 7``; of its beginning and end ``load 7 began`` and ``load 7 finished, 2,500 rows``."""
    number, state, rows = load.get("number"), load.get("state"), load.get("rows")
    told = " ".join(f"{part}" for part in ("load", number, state) if part is not None)
    return f"{told}, {rows:,} rows" if type(rows) is int else told


def _details(change: Change) -> str:
    """What became of the row: what an update has changed, else the row without its key; or why there is none."""
    if change.fault:
        return f"fault: {change.fault}"
    if change.stored_at:
        return f"stored at {change.stored_at}"
    moved = [f"moved {way} {_row(key, between='=')}" for way, key in _moves(change)]
    before, after = _columns(change, change.before), _columns(change, change.after)
    if before is not None and after is not None and change.op == "update":
        told = _differences(before, after)
    else:
        row = after if after is not None else before or {}
        told = _row({name: value for name, value in row.items() if name not in (change.key or {})}, between="=")
    return ", ".join(filter(None, (*moved, told)))


def _moves(change: Change) -> Iterator[tuple[str, Row]]:
    if change.moved_from:
        yield "from", change.moved_from
    if change.moved_to:
        yield "to", change.moved_to


def _columns(change: Change, row: Row | None) -> Row | None:
    """The row with its columns as members, where an object mapping of DMS has put them into ``_doc``."""
    if change.format != "dms" or row is None or not isinstance(columns := row.get("_doc"), dict):
        return row
    return {**columns, **{name: value for name, value in row.items() if name != "_doc"}}


def _differences(before: Row, after: Row) -> str:
    """``a: 1 → 2`` for a column that has changed, ``b=3`` for one whose old value the record does not tell."""
    told = (
        f"{name}: {_value(before[name])} → {_value(value)}" if name in before else f"{name}={_value(value)}"
        for name, value in after.items()
        if name not in before or before[name] != value
    )
    return ", ".join(islice(told, _SHOWN_MEMBERS))


def _row(row: Row, *, between: str) -> str:
    return ", ".join(f"{name}{between}{_value(value)}" for name, value in islice(row.items(), _SHOWN_MEMBERS))


def _value(value: Any, *, levels: int = _SHOWN_LEVELS) -> str:
    """As JSON, and not all of it if it is long."""
    match value:
        case str():
            text = json.dumps(value[: _VALUE_CHARACTERS + 1], ensure_ascii=False)
        case bool() | None:
            text = json.dumps(value)
        case bytes():
            text = value[: _VALUE_CHARACTERS + 1].hex()
        case dict() | list() if not levels:
            text = "…"
        case dict():
            inner = ((name, _value(item, levels=levels - 1)) for name, item in islice(value.items(), _SHOWN_MEMBERS))
            text = "{" + ", ".join(f"{name}: {item}" for name, item in inner) + "}"
        case list():
            text = "[" + ", ".join(_value(item, levels=levels - 1) for item in value[:_SHOWN_MEMBERS]) + "]"
        case _:
            text = str(value)
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}…"
