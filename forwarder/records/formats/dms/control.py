"""What a control record of AWS DMS tells of a change of a table: the operation, and the table as it is afterwards. Pure.

It is made of a schema event, whose images describe the table as docs/formats.md says (``schema``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from forwarder.config.formats import Dms
from forwarder.events import Event

_DECODER = msgspec.json.Decoder()
# character varying(9), timestamp(3) without time zone: the name without what stands in brackets, and that.
_TYPE = re.compile(r"(?P<start>[^(]*)(?:\((?P<digits>[\d,-]+)\))?(?P<end>.*)", re.DOTALL)

_TYPES: Mapping[str, Mapping[str, Any]] = {
    "smallint": {"type": "INT16"},
    "integer": {"type": "INT32"},
    "bigint": {"type": "INT64"},
    "real": {"type": "FLOAT"},
    "double precision": {"type": "DOUBLE"},
    "date": {"type": "DATE32"},
    "timestamp without time zone": {"type": "TIMESTAMP"},
    "timestamp with time zone": {"type": "TIMESTAMP"},
    "time without time zone": {"type": "TIME"},
    "time with time zone": {"type": "TIME"},
    "bytea": {"type": "BYTES"},
    "oid": {"type": "INT64"},
    "money": {"type": "NUMERIC", "precision": 38, "scale": 4},
    "numeric": {"type": "NUMERIC", "precision": 28, "scale": 6},
    "boolean": {"type": "STRING", "length": 5},
    "uuid": {"type": "STRING", "length": 36},
    "interval": {"type": "STRING", "length": 25},
    "character varying": {"type": "STRING", "length": 8000},
}


class TableChange(NamedTuple):
    """An operation, the table that it is about, and the value of ``control``."""

    operation: str
    schema: str
    table: str
    # The name that the table had, if it was renamed.
    renamed_from: tuple[str, str] | None
    definition: str


def table_change(event: Event, options: Dms, *, exclude: Collection[str] = ()) -> TableChange:
    """What a schema event tells. Of several changes at once DMS's word is ``change-columns``.

    ``exclude``: columns, as the database calls them, that are not to be named.
    """
    before, after = _description(event.before), _description(event.after)
    now = after or before
    schema, table = now.get("schema", event.table.schema), now.get("table", event.table.name)
    was = (before.get("schema", schema), before.get("table", table)) if before and after else (schema, table)
    definition = {"table-def": _definition(after, options, exclude)} if after else {}
    return TableChange(
        operation=_operation(before, after, is_renamed=was != (schema, table)),
        schema=schema,
        table=table,
        renamed_from=was if was != (schema, table) else None,
        definition=msgspec.json.encode(definition).decode(),
    )


def _description(image: str | None) -> dict[str, Any]:
    described: dict[str, Any] = _DECODER.decode(image) if image else {}
    return described


def _operation(before: Mapping[str, Any], after: Mapping[str, Any], *, is_renamed: bool) -> str:
    if not before and not after:
        # The descriptions were taken out of the outbox before they could be read.
        return "change-columns"
    if not after:
        return "drop-table"
    if not before:
        return "create-table"
    if is_renamed:
        return "rename-table"
    return _operation_on_columns(before["columns"], after["columns"])


def _operation_on_columns(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str:
    if before == [column for column in after if column in before]:
        return "add-column"
    if after == [column for column in before if column in after]:
        return "drop-column"
    if len(before) == len(after):
        pairs = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        differences = {frozenset(name for name in old if old[name] != new.get(name)) for old, new in pairs}
        if differences == {frozenset(("name",))} and len(pairs) == 1:
            return "rename-column"
        if differences == {frozenset(("type",))}:
            return "column-type-change"
    return "change-columns"


def _definition(table: Mapping[str, Any], options: Dms, exclude: Collection[str]) -> Mapping[str, Any]:
    columns = [column for column in table["columns"] if column["name"] not in exclude]
    key = sorted((column["key"], column["name"]) for column in columns if column["key"] is not None)
    definition = {
        "columns": {
            column["name"]: {**_type(column["type"], options), "nullable": column["nullable"]} for column in columns
        }
    }
    return definition | ({"primary-key": [name for _, name in key]} if key else {})


def _type(type: str, options: Dms) -> Mapping[str, Any]:
    """The members that tell a type, such as ``{"type":"STRING","length":9}`` for ``character varying(9)``. What DMS has no word for is text."""
    if type == "boolean" and options.MapBooleanAsBoolean:
        return {"type": "BOOL"}
    found = _TYPE.fullmatch(type)
    if not found or type.endswith("]"):
        return {"type": "STRING"}
    name, digits = found["start"] + found["end"], found["digits"]
    if name == "numeric" and digits:
        precision, _, scale = digits.partition(",")
        return {"type": "NUMERIC", "precision": int(precision), "scale": int(scale or 0)}
    if name in ("character varying", "character", "bit", "bit varying") and digits:
        return {"type": "STRING", "length": int(digits)}
    if name.startswith("interval"):
        name = "interval"
    return _TYPES.get(name, {"type": "STRING"})
