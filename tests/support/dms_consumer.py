"""A consumer of AWS DMS: it knows what records of DMS show, and nothing of what is ours. Pure.

1. ``load``, ``insert``, ``update``: the row of ``data`` replaces the one that has its key.
2. An ``update`` whose ``before-image`` has another key: the row with that one goes.
3. ``delete``: the row with the key of ``data`` goes, whatever else ``data`` holds.
4. ``create-table`` says what the key is, ``drop-table`` empties the table. All other control records are passed over.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

Row = dict[str, Any]


class DmsConsumer:
    """Keeps the rows of all tables, by ``schema.table``."""

    def __init__(self, keys: Mapping[str, Sequence[str]] | None = None) -> None:
        """``keys``: the key columns of tables, for streams without control records."""
        self._keys: dict[str, Sequence[str]] = dict(keys or {})
        self._rows: defaultdict[str, dict[tuple[Any, ...], Row]] = defaultdict(dict)

    def consume(self, record: str | bytes) -> None:
        """One record of the stream."""
        document = json.loads(record, parse_float=Decimal)
        metadata = document["metadata"]
        table = f"{metadata['schema-name']}.{metadata['table-name']}"
        if metadata["record-type"] == "control":
            self._control(table, metadata["operation"], document.get("control", {}))
            return
        rows, row = self._rows[table], document["data"]
        if metadata["operation"] == "delete":
            rows.pop(self._key(table, row), None)
            return
        old = document.get("before-image") or {}
        if old and (old_key := self._key(table, old)) != self._key(table, row):
            rows.pop(old_key, None)
        rows[self._key(table, row)] = row

    def rows(self, table: str) -> list[Row]:
        """The rows of a table, without an order."""
        return list(self._rows[table].values())

    def _control(self, table: str, operation: str, control: Mapping[str, Any]) -> None:
        if operation == "drop-table":
            self._rows.pop(table, None)
        if operation == "create-table" and "primary-key" in control.get("table-def", {}):
            self._keys[table] = control["table-def"]["primary-key"]

    def _key(self, table: str, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._keys[table])
