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
from forwarder.records.row_columns import Absent, row_images

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


def key_of(mapping: ObjectMapping, event: Event, tell_absent: Absent) -> str | None:
    """The partition key of an event by its table's mapping.

    None: it is the event's own key, or the event lacks the attribute, or is of no transaction, as what a load has read. Empty: the attribute is null.
    """
    match mapping.partition_key_type:
        case "schema-table":
            return event.table.qualified_name
        case "transaction-id":
            return f"{event.txid}" if event.txid else None
        case "constant":
            return mapping.partition_key_name
        case "attribute-name":
            return _attribute_of(mapping, event, tell_absent)
        case _:
            return None


def chooser(
    find: Callable[[CapturedTable], ObjectMapping | None],
    otherwise: Chooser,
    *,
    own_keys: Chooser,
    tell_absent: Absent = lambda *_: None,
) -> Chooser:
    """A chooser of partition keys: by the mapping of each table, and ``otherwise`` where none says anything of keys.

    Args:
        find: the mapping of a table, whose columns are called as in the events.
        own_keys: chooses the keys of events whose mapping says the primary key, or whose attribute is null or missing.
        tell_absent: is told which table's change lacks which column that the attribute is made of.
    """

    def choose(events: Sequence[Event]) -> list[str]:
        keys = otherwise(events)
        for place, event in enumerate(events):
            mapping = find(event.table)
            if mapping and mapping.partition_key_type:
                key = key_of(mapping, event, tell_absent)
                keys[place] = shortened(key) if key else own_keys([event])[0]
        return keys

    return choose


def _attribute_of(mapping: ObjectMapping, event: Event, tell_absent: Absent) -> str | None:
    """The text of the attribute that the key is taken from: empty if it is null, None if the event lacks a column that it is made of."""
    images = row_images(event)
    row: dict[str, str] = {}
    for image in images:
        # The first image that has a column counts: with ``after = "changed"``, the new row's image lacks the columns that did not change.
        row = members(image) | row
        if row.keys() >= mapping.key_columns:
            break
    if absent := mapping.key_columns - row.keys():
        for column in sorted(absent) if images else ():
            tell_absent(event.table, column)
        return None
    if not images:
        return None
    attribute = mapping.key_attribute
    return _bare(attribute_json(attribute, row) if attribute else row[mapping.partition_key_name])


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
