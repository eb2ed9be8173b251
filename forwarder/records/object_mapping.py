"""What an object mapping of DMS makes of a row, and of its partition key. Pure.

The guide shows what a mapping says and few results; what is inferred is marked so in docs/table-mappings.md. A row is given as its members, each
value in JSON: ``{"id": "42", "name": '"Ada"'}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from forwarder.config.table_mappings.object_mapping import Attribute, ObjectMapping, Template, Value
from forwarder.events import CapturedTable, Event
from forwarder.json_members import members, written
from forwarder.records.partition_key import Chooser, shortened

_ANY = msgspec.json.Decoder()


def shaped(mapping: ObjectMapping, row: Mapping[str, str]) -> str:
    """The member ``data`` of a record, in JSON: the columns that are not excluded, as members or in ``_doc``, and the mapped attributes beside them.

    An attribute counts over a column of its name.
    """
    columns = {name: value for name, value in row.items() if name not in mapping.exclude}
    attributes = {attribute.name: attribute_json(attribute, row) for attribute in mapping.attributes}
    return written({"_doc": written(columns), **attributes} if mapping.shape == "document" else columns | attributes)


def attribute_json(attribute: Attribute, row: Mapping[str, str]) -> str:
    """An attribute in JSON: a string, an object of strings, or what its text says if it is to be JSON."""
    if isinstance(attribute.value, tuple) and attribute.is_json:
        text = _filled(attribute.value, row)
        return text if _is_json(text) else _string(text)
    return _json(attribute.value, row)


def key_of(mapping: ObjectMapping, event: Event) -> str | None:
    """The partition key of an event by its table's mapping; None if the mapping leaves it to the sink, as it does with the primary key."""
    match mapping.partition_key_type:
        case "schema-table":
            return event.table.qualified_name
        case "transaction-id":
            return f"{event.txid}"
        case "constant":
            return mapping.partition_key_name
        case "attribute-name":
            return _attribute_of(mapping, event) or event.table.qualified_name
        case _:
            return None


def chooser(find: Callable[[CapturedTable], ObjectMapping | None], otherwise: Chooser) -> Chooser:
    """A chooser of partition keys: by the mapping of each table, and ``otherwise`` for those that none is for.

    Args:
        find: the mapping of a table, whose columns are called as in the events.
    """

    def choose(events: Sequence[Event]) -> list[str]:
        keys = otherwise(events)
        for place, event in enumerate(events):
            if (mapping := find(event.table)) and (key := key_of(mapping, event)):
                keys[place] = shortened(key)
        return keys

    return choose


def _attribute_of(mapping: ObjectMapping, event: Event) -> str:
    """The text of the attribute that the key is taken from; empty if the event has no row, or no such value."""
    row = members(event.after or event.before or "{}")
    for attribute in mapping.attributes:
        if attribute.name == mapping.partition_key_name:
            return _bare(attribute_json(attribute, row))
    return _bare(row.get(mapping.partition_key_name, "null"))


def _json(value: Value, row: Mapping[str, str]) -> str:
    if isinstance(value, Mapping):
        return written({name: _json(member, row) for name, member in value.items()})
    return _string(_filled(value, row))


def _filled(parts: Template, row: Mapping[str, str]) -> str:
    """The text with the values of its columns in it; null is no text."""
    return "".join(_bare(row.get(part, "null")) if place % 2 else part for place, part in enumerate(parts))


def _bare(value: str) -> str:
    """A value as text: a string without its quotes, anything else as JSON has it; null is empty."""
    if not value.startswith('"'):
        return "" if value == "null" else value
    try:
        return msgspec.json.decode(value, type=str)
    except msgspec.DecodeError:
        # Half of a surrogate pair, which no text in UTF-8 can have: it stays an escape.
        return value[1:-1]


def _is_json(text: str) -> bool:
    try:
        _ANY.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _string(text: str) -> str:
    return msgspec.json.encode(text).decode()
