"""The SQL that makes the image of a row. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forwarder.database.quoting import identifier, literal
from forwarder.load.key_column import KeyColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What it takes to make the images of a table's rows, as forwarder.image_needs() of 0037_load_rows.sql says."""

    is_plain: bool
    strange_types: Sequence[int] | None
    # Of forwarder.shaped(); None: images are as PostgreSQL writes a row.
    rules: Mapping[str, Any] | None
    max_bytes: int

    @property
    def is_simple(self) -> bool:
        """Whether row_to_json() makes the image, and nothing else has to see to it."""
        return self.is_plain and self.rules is None

    def of_columns(self, chosen: Sequence[str], key: Sequence[str], columns: Sequence[str]) -> Needs:
        """With the columns that a load is for, and those of the key, and no others."""
        treatments = self.rules["columns"] if self.rules else {name: {} for name in columns}
        kept = {*chosen, *key}
        places = {name: {"key": place} for place, name in enumerate(key, start=1)} if self.rules is None else {}
        narrowed = {
            name: {**treatment, **places.get(name, {})} if name in kept else {"drop": True}
            for name, treatment in treatments.items()
        }
        return Needs(
            is_plain=self.is_plain,
            strange_types=self.strange_types,
            rules={**(self.rules or {}), "columns": narrowed},
            max_bytes=self.max_bytes,
        )


def careful_image(needs: Needs, relation: int, key: Sequence[KeyColumn]) -> str:
    """The SQL for an array of the image, the fault, further members and the key of a row that is called NEW, whatever it needs."""
    rules = "NULL::jsonb" if needs.rules is None else f"{literal(json.dumps(needs.rules, ensure_ascii=False))}::jsonb"
    strange = "NULL::oid[]" if needs.is_plain else f"'{{{','.join(map(str, needs.strange_types or ()))}}}'::oid[]"
    of_key = key_image([column.reference for column in key], key)
    return f"forwarder.row_image(NEW.*, {relation}::oid, {rules}, {strange}, {of_key})"


def key_image(values: Sequence[str], key: Sequence[KeyColumn]) -> str:
    """The SQL for the key of a row as the text of a JSON object, the columns as they are in the table; `values`: SQL for each of them."""
    if not key:
        return "NULL::text"
    members = ", ".join(
        f"{column.plain(value)} AS {identifier(column.name)}" for value, column in zip(values, key, strict=True)
    )
    return f"(SELECT row_to_json(listed.*)::text FROM (SELECT {members}) AS listed)"  # noqa: S608
