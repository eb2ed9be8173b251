"""The SQL that makes the image of a row, which is called NEW. Pure.

Of most tables it is ``row_to_json(NEW.*)``. Where rules treat columns, or a column is an enum, the image is made of a row of the columns that are
sent, each as it is to be: what is JSON already becomes a member as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from forwarder.database.quoting import identifier, literal
from forwarder.load.key_column import KeyColumn

WHOLE = "row_to_json(NEW.*)::text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What it takes to make the images of a table's rows, as forwarder.image_needs() of 0037_load_rows.sql says."""

    # Whether our session can make them: no column may run somebody's code on its way to JSON.
    is_plain: bool
    # Columns that have a type of this kind without a cast to json. They may be given one at any time.
    enums: Sequence[str] = ()
    # Null if rows are plain.
    strange_types: Sequence[int] | None = None
    # As forwarder.shaped() takes them; None: images are as PostgreSQL writes a row.
    rules: Mapping[str, Any] | None = None
    max_bytes: int
    # The names of all columns, in their order.
    columns: Sequence[str]

    @property
    def lasts(self) -> bool:
        """Whether it holds as long as the table is not altered."""
        return self.is_plain and not self.enums

    @property
    def extra(self) -> str | None:
        """What is said in each record beside the image: the columns that are withheld since nothing is known of them."""
        if self.rules is None:
            return None
        withheld = [_label(name) for name in self.columns if name not in self.rules["columns"]]
        return f'"withheld":[{",".join(withheld)}]' if withheld else None

    def of_columns(self, chosen: Sequence[str], key: Sequence[str]) -> Needs:
        """With the columns that a load is for, and those of the key, and no others."""
        treatments = self.rules["columns"] if self.rules else {name: {} for name in self.columns}
        places = {name: {"key": place} for place, name in enumerate(key, start=1)} if self.rules is None else {}
        narrowed = {
            name: {**treatment, **places.get(name, {})} if name in {*chosen, *key} else {"drop": True}
            for name, treatment in treatments.items()
        }
        return replace(self, rules={**(self.rules or {}), "columns": narrowed})


def image(needs: Needs) -> str:
    """The SQL for the image of a row, if rows are plain."""
    if needs.rules is None and not needs.enums:
        return WHOLE
    return _object({name: _value(f"NEW.{identifier(name)}", name, needs) for name in _sent(needs)})


def careful_image(needs: Needs, relation: int, key: Sequence[KeyColumn]) -> str:
    """The SQL for an array of the image, the fault, further members and the key of a row, whatever it needs."""
    rules = "NULL::jsonb" if needs.rules is None else f"{_json(needs.rules)}::jsonb"
    strange = "NULL" if needs.strange_types is None else f"'{{{','.join(map(str, needs.strange_types))}}}'"
    members = {column.name: column.plain(column.reference) for column in key}
    of_key = _object(members) if members else "NULL::text"
    return f"forwarder.row_image(NEW.*, {relation}::oid, {rules}, {strange}::oid[], {of_key})"


def key_image(values: Mapping[str, str], needs: Needs) -> str:
    """The SQL for the key in an image, if rows are plain; ``values``: SQL for each of its columns."""
    if not values:
        return "NULL::text"
    return _object({name: _value(value, name, needs) for name, value in values.items()})


def _sent(needs: Needs) -> Sequence[str]:
    """The columns that are in an image, in the order in which forwarder.shaped() has them."""
    if needs.rules is None:
        return needs.columns
    treatments = needs.rules["columns"]
    key = sorted(
        (name for name in needs.columns if "key" in treatments.get(name, {})), key=lambda name: treatments[name]["key"]
    )
    if needs.rules.get("after") == "key":
        return key
    others = [
        name for name in needs.columns if name in treatments and name not in key and "drop" not in treatments[name]
    ]
    return [*key, *others]


def _value(value: str, name: str, needs: Needs) -> str:
    """The SQL for a member of the image: of a type that becomes what it should, or JSON."""
    if name in needs.enums:
        # Not by way of a cast that the type may have by now.
        value = f"CASE WHEN {value} IS NOT NULL THEN concat({value}) END"
    treatment = (
        {key: value for key, value in needs.rules["columns"][name].items() if key != "key"} if needs.rules else {}
    )
    return f"forwarder.treated_value(to_json({value}), {_json(treatment)})" if treatment else value


def _object(members: Mapping[str, str]) -> str:
    listed = ", ".join(f"{value} AS {identifier(name)}" for name, value in members.items())
    return f"(SELECT row_to_json(listed.*)::text FROM (SELECT {listed}) AS listed)"  # noqa: S608


def _json(value: object) -> str:
    return literal(json.dumps(value, ensure_ascii=False))


def _label(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
