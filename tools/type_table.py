"""Writes docs/types.md: what a value of each PostgreSQL type becomes in each format of records, as it is when it is run. ``make docs``"""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import anyio

from forwarder.config.formats import FORMATS
from forwarder.config.sink_url import Framing
from forwarder.database.sessions import Connection, session
from forwarder.events import CapturedTable, Column, ColumnType, Event
from forwarder.json_members import members
from forwarder.local.postgres import embedded_postgres
from forwarder.outbox.registry import Registry
from forwarder.records.formats.catalogue import record_format
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins

PAGE = Path(__file__).parents[1] / "docs" / "types.md"

_HEAD = """# What a value becomes in each format

Made by `make docs`, which inserts one row and has each format write it; a test compares. Options are at their defaults. The formats `native`,
`lambda` and `cloudevents` hold rows as PostgreSQL writes them (`row_to_json`). *absent*: the column is not in the record.
The PostgreSQL of the wheel lacks the types marked \\*: their values are given as other servers write them.

What counts is the type of the column when a row is delivered. If the column has been renamed or dropped by then, or its table has been
dropped, it is the last type that `forwarder migrate` or a listener with such a format has seen; a listener looks every 30 s. Values of a
column that neither has seen are as PostgreSQL writes them to JSON.

A row that [a load](load.md) has read has the same values in each format as one that has changed.

"""
_TABLE = "public.every_type"
_TYPES = """
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TYPE public.address AS (street text, zip integer);
CREATE DOMAIN public.price AS numeric(12,3);
"""
# Type, and a value as SQL has it; from the second value of a type on with a word for it.
_VALUES: Sequence[tuple[str, str, str]] = [
    ("boolean", "", "true"),
    ("smallint", "", "12"),
    ("integer", "", "1234"),
    ("bigint", "", "9223372036854775807"),
    ("oid", "", "4711"),
    ("numeric", "", "123.4500"),
    ("numeric", "60 digits", "123456789012345678901234567890.123456789012345678901234567890"),
    ("numeric", "NaN", "'NaN'"),
    ("numeric(10,2)", "", "99.90"),
    ("real", "", "2.2"),
    ("double precision", "", "0.1"),
    ("double precision", "large", "1e300"),
    ("double precision", "NaN", "'NaN'"),
    ("double precision", "infinity", "'-Infinity'"),
    ("money", "", "1234.56"),
    ("text", "", "'a \"quoted\" word, ü'"),
    ("varchar(20)", "", "'words'"),
    ("char(5)", "", "'ab'"),
    ("name", "", "'a_name'"),
    ("bytea", "", "'\\x00deadbeef'"),
    ("date", "", "'2024-02-29'"),
    ("date", "infinity", "'infinity'"),
    ("date", "BC", "'0044-03-15 BC'"),
    ("time", "", "'13:14:15.123456'"),
    ("time", "24:00", "'24:00'"),
    ("timetz", "", "'13:14:15.123456+02'"),
    ("timestamp", "", "'2024-02-29 13:14:15.123456'"),
    ("timestamp", "whole seconds", "'2024-02-29 13:14:15'"),
    ("timestamp", "infinity", "'infinity'"),
    ("timestamp(3)", "", "'2024-02-29 13:14:15.120'"),
    ("timestamptz", "", "'2024-02-29 13:14:15.123456+02'"),
    ("timestamptz", "infinity", "'-infinity'"),
    ("interval", "", "'1 year 2 mons 3 days 04:05:06.789'"),
    ("uuid", "", "'6f1e3e2a-0b1c-4d5e-8f90-a1b2c3d4e5f6'"),
    ("json", "", '\'{"b": 1,  "a": [1.50, null], "b": 2}\''),
    ("json", "null", "'null'"),
    ("jsonb", "", '\'{"a": [1.50, null, "x"]}\''),
    ("boolean[]", "", "'{t,f}'"),
    ("integer[]", "", "'{1,NULL,3}'"),
    ("integer[]", "two dimensions", "'{{1,2},{3,4}}'"),
    ("numeric(10,2)[]", "", "'{1.50,NULL}'"),
    ("text[]", "", '\'{a,"b c",NULL,"NULL"}\''),
    ("bytea[]", "", "array['\\x00ff'::bytea]"),
    ("timestamptz[]", "", "array['2024-02-29 13:14:15+02'::timestamptz]"),
    ("jsonb[]", "", "array['{\"a\": 1}'::jsonb]"),
    ("int4range", "", "'[1,5)'"),
    ("tstzrange", "", "'[2024-01-01 00:00+00,2024-01-02 00:00+00)'"),
    ("int4multirange", "", "'{[1,3),[5,8)}'"),
    ("enum", "", "'ok'::public.mood"),
    ("enum[]", "", "array['ok'::public.mood]"),
    ("domain over numeric(12,3)", "", "12.500::public.price"),
    ("composite", "", "row('Main St', 123)::public.address"),
    ("composite[]", "", "array[row('Main St', 123)::public.address]"),
    ("inet", "", "'192.168.1.5/24'"),
    ("cidr", "", "'10.1.0.0/16'"),
    ("macaddr", "", "'08:00:2b:01:02:03'"),
    ("bit(1)", "", "B'1'"),
    ("bit(8)", "", "B'10101010'"),
    ("varbit", "", "B'1111000011'"),
    ("tsvector", "", "'quick:2 fox:3A'"),
    ("tsquery", "", "'quick & !fox'"),
    ("point", "", "'(1.5,2)'"),
    ("box", "", "'(1,1),(0,0)'"),
    ("polygon", "", "'((0,0),(1,1),(2,0))'"),
    ("pg_lsn", "", "'16/B374D848'"),
    ("null", "", "null::text"),
]
_SQL_TYPES = {
    "enum": "public.mood",
    "enum[]": "public.mood[]",
    "domain over numeric(12,3)": "public.price",
    "composite": "public.address",
    "composite[]": "public.address[]",
    "null": "text",
}
# Types that the PostgreSQL of the wheel lacks, and a value of each as row_to_json writes it.
_ELSEWHERE: Sequence[tuple[str, str]] = [
    ("xml", '"<a>text</a>"'),
    ("hstore", '{"k1": "v1", "k 2": null}'),
    ("citext", '"MixedCase"'),
    ("ltree", '"top.science"'),
    ("geometry", '{"type":"Point","coordinates":[1.5,2]}'),
]
# Where a record has the new row.
_PLACES: Mapping[str, Sequence[str]] = {
    "native": ("after",),
    "lambda": ("data",),
    "cloudevents": ("data", "after"),
    "debezium": ("after",),
    "dms": ("data",),
    "dynamodb": ("dynamodb", "NewImage"),
}


async def page(url: str) -> str:
    """The text of the page, made in an empty database."""
    async with session(url, purpose="docs") as connection:
        event = await _insert(connection, url)
    provenance = Provenance(origins=Origins([Origin(0, "7312459/16384")]), database="shop", region="eu-west-1")
    rows = {
        name: _row(record_format(kind(), Framing(), provenance).encode([event])[0], _PLACES[name])
        for name, kind in FORMATS.items()
    }
    alike = [name for name in rows if rows[name] == rows["native"]]
    others = [name for name in rows if name not in alike]
    lines = [f"| PostgreSQL | {', '.join(alike)} | {' | '.join(others)} |", "|---" * (2 + len(others)) + "|"]
    for label, column in _labels():
        cells = [rows[name].get(column) for name in ("native", *others)]
        lines.append(f"| {label} | {' | '.join(map(_cell, cells))} |")
    return _HEAD + "\n".join(lines) + "\n"


async def _insert(connection: Connection, url: str) -> Event:
    """Insert a row with all values, and return it as an event, with the columns that PostgreSQL has elsewhere."""
    names = [name for _, name in _labels()][: len(_VALUES)]
    columns = [f"{name} {_SQL_TYPES.get(type, type)}" for name, (type, _, _) in zip(names, _VALUES, strict=True)]
    await connection.execute(f"{_TYPES}CREATE TABLE {_TABLE} (id bigint PRIMARY KEY, {', '.join(columns)})")
    environment = {**os.environ, "FORWARDER_DATABASE_URL": url}
    await anyio.run_process([sys.executable, "-m", "forwarder", "migrate", "--table", _TABLE], env=environment)
    values = ", ".join(value for _, _, value in _VALUES)
    await connection.execute(f"INSERT INTO {_TABLE} VALUES (1, {values})")  # noqa: S608 - our own values
    registry = Registry(with_columns=True)
    await registry.refresh(connection)
    [(id, image)] = await connection.fetch("SELECT table_id, after FROM forwarder.outbox")
    extras = ",".join(f'"{name}":{value}' for name, value in _ELSEWHERE)
    return Event(
        1,
        1140,
        757_429_445_123_456,
        _with_elsewhere(registry.tables[id][0]),
        None,
        b"I",
        None,
        f"{image[:-1]},{extras}}}",
        None,
        1,
        1,
        '{"id":1}',
        "1",
    )


def _with_elsewhere(table: CapturedTable) -> CapturedTable:
    types = [Column(name, ColumnType("public", name, "b", -1, is_array=False)) for name, _ in _ELSEWHERE]
    return CapturedTable(
        id=table.id, relation=table.relation, schema=table.schema, name=table.name, key_columns=table.key_columns,
        before_image=table.before_image, columns=(*table.columns, *types),
    )  # fmt: skip


def _labels() -> Iterator[tuple[str, str]]:
    """What each line of the table is of, and the name of its column."""
    for number, (type, variant, _) in enumerate(_VALUES):
        yield f"{type}{variant and f', {variant}'}", f"c{number}"
    for name, _ in _ELSEWHERE:
        yield f"{name} \\*", name


def _row(record: bytes, place: Sequence[str]) -> Mapping[str, str]:
    found = members(record.decode())
    for name in place:
        found = members(found[name])
    return found


def _cell(value: str | None) -> str:
    if value is None:
        return "*absent*"
    return f"<code>{html.escape(value, quote=False).replace('|', '&#124;')}</code>"


async def _write() -> None:
    async with embedded_postgres(durable=False) as postgres:
        PAGE.write_text(await page(postgres.url()))


if __name__ == "__main__":
    anyio.run(_write)
