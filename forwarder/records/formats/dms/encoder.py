"""Records as AWS DMS writes them to Kinesis: ``data``, ``before-image`` and ``metadata``, or ``control`` and ``metadata``. Pure.

What DMS does not tell, and a consumer has to know (a TRUNCATE, a gap, a row that is not in its record), is a control record with an operation of our
own. What it says stands in a member ``forwarder`` at its end, and consumers of DMS pass over both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import msgspec

from forwarder.config.formats import Dms
from forwarder.events import CapturedTable, Event
from forwarder.json_members import members, written
from forwarder.records.formats.dms.control import table_change
from forwarder.records.formats.dms.layout import indented
from forwarder.records.formats.dms.rows import RowEncoder
from forwarder.records.formats.encoder import Encoder, Provenance
from forwarder.records.formats.times import time_of
from forwarder.records.stretches import TABLE_WIDE

# Of rows. An event of the application's own, which DMS has none of, is a row that is inserted into the table forwarder.event.
_OPERATIONS = {b"I": "insert", b"U": "update", b"D": "delete", b"R": "load", b"E": "insert"}
# The words of DMS for what partition keys are made of; for a table's name it has ``schema-table``.
_KEY_TYPES = {"primary-key": "primary-key", "transaction": "transaction-id", "constant": "constant"}
# Kinds of partition keys by which what concerns a whole table has the table's name for a key.
_WITH_TABLE_NAMES = ("table", "primary-key", "column", "template")
# Our word for the control record of a row that is not in it.
_ROW_OMITTED = "row-omitted"
_MAX_TABLES = 4096


def encoder(provenance: Provenance, options: Dms) -> Encoder:
    """A function from events to the bytes of their records; empty for an event of which DMS has none."""
    records = _Records(provenance, options)
    choose_key = provenance.choose_key if options.IncludePartitionValue else None

    def encode(events: Sequence[Event]) -> list[bytes]:
        # Partition keys are made again, since whoever needs them makes them later.
        keys = choose_key(events) if choose_key else [""] * len(events)
        lines = list(map(records.line, events, keys))
        # A number's column may have been of type json before, and JSON may have line breaks between tokens.
        lines = [line if "\n" not in line else line.replace("\n", " ").replace("\r", " ") for line in lines]
        if options.MessageFormat == "json":
            lines = [indented(line) for line in lines]
        return [line.encode() for line in lines]

    return encode


class _Records:
    """Makes records, each as one line, with these options."""

    def __init__(self, provenance: Provenance, options: Dms) -> None:
        self._options = options
        self._key_rule = provenance.key_rule
        self._mapping_of = provenance.object_mapping
        self._data_of: Callable[[CapturedTable], RowEncoder] = lru_cache(_MAX_TABLES)(self._data_encoder)
        self._rows: Callable[[CapturedTable], RowEncoder] = lru_cache(_MAX_TABLES)(self._row_encoder)
        self._old_rows: Callable[[CapturedTable], RowEncoder] = lru_cache(_MAX_TABLES)(self._old_row_encoder)
        self._kinds: Callable[[CapturedTable, str, bool], str] = lru_cache(_MAX_TABLES)(self._kind_of)

    def line(self, event: Event, key: str) -> str:
        """The record; empty if there is none. ``key``: its partition key, if that is to be told."""
        op = event.op
        if op not in _OPERATIONS:
            return self._of_table(event, key)
        if event.moved and (told := self._half_of_a_move(event, key)) is not None:
            return told
        row = self._row(event)
        return self._data(event, key, _OPERATIONS[op], row) if row else self._row_omitted(event, key)

    def _row(self, event: Event) -> str | None:
        """The value of ``data``; None if the row is not known, of a delete not even its key."""
        table = event.table
        if event.op != b"D":
            return self._data_of(table).encode(event.after) if event.after else None
        old = event.before if table.before_image != "none" else None
        if event.key and (self._options.exact or not old):
            return self._data_of(table).key_and_nulls(event.key, members(old) if old else _columns(table))
        return self._data_of(table).encode(old) if old else None

    def _data(self, event: Event, key: str, operation: str, row: str) -> str:
        options = self._options
        before = ours = ""
        if options.EnableBeforeImage and operation == "update":
            before = f",{_json(options.FieldName)}:{self._before_image(event)}"
        has_old_row = options.EnableBeforeImage and options.ColumnFilter != "pk-only"
        if operation == "update" and "before" in event.omitted and (has_old_row or event.table.has_old_values):
            ours = f',"forwarder":{written(_told(event))}'
        return f'{{"data":{row}{before},"metadata":{self._metadata(event, key, operation)}{ours}}}'

    def _before_image(self, event: Event) -> str:
        """The key that the row had, or as much of the old row as there is and is asked for."""
        options = self._options
        if event.moved:
            return self._rows(event.table).encode(event.moved)
        old = event.before if event.table.before_image != "none" else None
        if options.ColumnFilter != "pk-only" and old:
            return self._old_rows(event.table).encode(old)
        # DMS has the old key from the log of PostgreSQL, which has it only if it has changed.
        return "{}" if options.exact or not event.key else self._rows(event.table).encode(event.key)

    def _half_of_a_move(self, event: Event, key: str) -> str | None:
        """The record of a delete or an insert that an update of the key was captured as; None if it is a delete or an insert to DMS, too.

        To DMS it is an update with the new row, whose before image is the old key.
        """
        options = self._options
        if not options.exact and not options.EnableBeforeImage:
            # Nothing in the update would tell which row it was.
            return None
        if event.op == b"D":
            # Where rows have lanes of their own, the old key's has to learn that its row is gone: nothing else comes in its order.
            return "" if options.exact or self._unites_rows(event.table) else None
        row = self._row(event)
        return self._data(event, key, "update", row) if row else None

    def _of_table(self, event: Event, key: str) -> str:
        """The record of what concerns a whole table or partition."""
        if event.op == b"S":
            return self._schema(event, key)
        if event.op == b"T" and not self._options.exact:
            operation = "truncate-partition" if event.partition else "truncate-table"
            return self._control(event, key, operation, _partition(event))
        if event.op == b"G" and not self._options.exact:
            return self._control(event, key, "gap", {"fault": _json(event.fault), **_partition(event)})
        return ""

    def _schema(self, event: Event, key: str) -> str:
        options = self._options
        if not options.IncludeTableAlterOperations:
            return ""
        mapping = self._mapping_of(event.table)
        change = table_change(event, options, exclude=mapping.excluded_there if mapping else ())
        control = f'"control":{change.definition},' if options.IncludeControlDetails else ""
        kind, names = self._kind(event, key, change.operation), _names(change.schema, change.table)
        ours = ""
        if change.renamed_from:
            ours = f',"forwarder":{{"renamed-from":{{{_names(*change.renamed_from)}}}}}'
        return f'{{{control}"metadata":{{"timestamp":"{time_of(event.at)}",{kind},{names}}}{ours}}}'

    def _row_omitted(self, event: Event, key: str) -> str:
        """A row that is not in its record is no data record: a consumer would take what is missing for null."""
        excluded = self._excluded(event.table)
        shown = {name: value for name, value in members(event.key or "{}").items() if name not in excluded}
        told = {"operation": f'"{_OPERATIONS[event.op]}"', "key": written(shown) if event.key else "null"}
        return self._control(event, key, _ROW_OMITTED, {**told, **_told(event), **_partition(event)})

    def _control(self, event: Event, key: str, operation: str, told: Mapping[str, str]) -> str:
        control = '"control":{},' if self._options.IncludeControlDetails else ""
        ours = f',"forwarder":{written(told)}' if told else ""
        return f'{{{control}"metadata":{self._metadata(event, key, operation)}{ours}}}'

    def _metadata(self, event: Event, key: str, operation: str) -> str:
        names = _names(event.table.schema, event.table.name)
        transaction = "" if event.op == b"R" else self._transaction(event)
        return f'{{"timestamp":"{time_of(event.at)}",{self._kind(event, key, operation)},{names}{transaction}}}'

    def _kind(self, event: Event, key: str, operation: str) -> str:
        """The members that tell the kind of the record, and its partition key."""
        kind = self._kinds(event.table, operation, self._goes_by_table(event))
        return f'{kind},"partition-key-value":{_json(key)}' if key and not kind.endswith('"schema-table"') else kind

    def _transaction(self, event: Event) -> str:
        if not self._options.IncludeTransactionDetails:
            return f',"transaction-id":{event.txid}'
        number = f',"transaction-record-id":{event.index}' if event.index else ""
        high, low = event.seq >> 32, event.seq & 0xFFFFFFFF
        position = f"{high:08X}/{low:08X}"
        return (
            f',"transaction-id":{event.txid}{number},"commit-timestamp":"{time_of(event.committed_at or event.at)}",'
            f'"stream-position":"{position}.1.{position}"'
        )

    def _goes_by_table(self, event: Event) -> bool:
        """Whether its table's name is its partition key, if no mapping chooses that."""
        rule = self._key_rule
        kind = "primary-key" if self._mapped_key(event.table) == "primary-key" else rule.kind
        if event.op in TABLE_WIDE:
            return kind in _WITH_TABLE_NAMES
        is_keyless = event.key_values is None and rule.keyless == "table"
        return kind == "table" or (kind == "primary-key" and is_keyless)

    def _unites_rows(self, table: CapturedTable) -> bool:
        """Whether all changes of the table have one partition key."""
        mapped = self._mapped_key(table)
        return mapped in ("schema-table", "constant") if mapped else self._key_rule.unites_tables

    def _mapped_key(self, table: CapturedTable) -> str | None:
        mapping = self._mapping_of(table)
        return mapping.partition_key_type if mapping else None

    def _kind_of(self, table: CapturedTable, operation: str, goes_by_table: bool) -> str:  # noqa: FBT001
        """The members before ``partition-key-value``."""
        is_data = operation in _OPERATIONS.values()
        key_type = self._key_type(table, is_of_row=is_data or operation == _ROW_OMITTED, goes_by_table=goes_by_table)
        if operation == _OPERATIONS[b"R"] and key_type == "transaction-id":
            # A row that is loaded is of no transaction: its own key is its partition key.
            is_keyless = not table.key_columns and self._key_rule.keyless == "table"
            key_type = "schema-table" if is_keyless else "primary-key"
        record_type = "data" if is_data else "control"
        return f'"record-type":"{record_type}","operation":"{operation}","partition-key-type":"{key_type}"'

    def _key_type(self, table: CapturedTable, *, is_of_row: bool, goes_by_table: bool) -> str:
        """The word of DMS for what the partition keys of a table are made of."""
        mapped = self._mapped_key(table)
        if mapped == "attribute-name" and not is_of_row:
            # There is no row to take the attribute from.
            return "schema-table"
        if mapped and mapped != "primary-key":
            return mapped
        if goes_by_table:
            return "schema-table"
        return mapped or _KEY_TYPES.get(self._key_rule.kind, "attribute-name")

    def _data_encoder(self, table: CapturedTable) -> RowEncoder:
        return RowEncoder(table, self._options, mapping=self._mapping_of(table))

    def _row_encoder(self, table: CapturedTable) -> RowEncoder:
        return RowEncoder(table, self._options, exclude=self._excluded(table))

    def _old_row_encoder(self, table: CapturedTable) -> RowEncoder:
        return RowEncoder(
            table,
            self._options,
            with_large_objects=self._options.ColumnFilter == "all",
            exclude=self._excluded(table),
        )

    def _excluded(self, table: CapturedTable) -> frozenset[str]:
        """The columns that an object-mapping rule keeps out of all parts of a record."""
        mapping = self._mapping_of(table)
        return mapping.exclude if mapping else frozenset()


def _columns(table: CapturedTable) -> Mapping[str, str]:
    """The columns of a table, as those of a row of which no more is known."""
    return {column.name: "null" for column in table.columns if not column.is_gone}


def _told(event: Event) -> Mapping[str, str]:
    """Why images are missing, and where the whole record is."""
    omitted = [name for name in event.omitted if name in ("before", "after")]
    told = {"fault": event.fault, "omitted": omitted, "stored_at": event.stored_at}
    return {name: msgspec.json.encode(value).decode() for name, value in told.items() if value}


def _partition(event: Event) -> Mapping[str, str]:
    return {"partition": _json(event.partition)} if event.partition else {}


@lru_cache(_MAX_TABLES)
def _names(schema: str, table: str) -> str:
    return f'"schema-name":{_json(schema)},"table-name":{_json(table)}'


def _json(value: str | None) -> str:
    return msgspec.json.encode(value).decode()
