"""What tests of `forwarder verify` share: a table with columns of many types, differences that are planted in it, and what is told of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from forwarder.config.formats import FORMATS
from tests.databases import Database
from tests.listening import CREDENTIALS, Operator

ORDERS = """
    CREATE TABLE public.orders (
        id bigint PRIMARY KEY, status text, total numeric, placed date, at timestamptz, paid boolean, note jsonb, proof bytea, ratio float8,
        tags text[]
    )
"""
ROWS = """
    INSERT INTO public.orders
    SELECT
        id, 'new', id + 0.10, date '2024-02-29' + id::integer, timestamptz '2024-02-29 12:00:00.5+00' + id * interval '1 hour', id % 2 = 0,
        jsonb_build_object('a', id, 'b', ARRAY[1.50, 2]), decode(lpad(to_hex(id), 8, '0'), 'hex'), id / 3.0, ARRAY['x', NULL]
    FROM generate_series($1::bigint, $2) AS id
"""
# By the name of a format, what its URL needs besides so that records name their table.
OPTIONS = {name: f"format={name}" for name in FORMATS} | {
    "lambda": "format=lambda&table=true",
    "dynamodb": "format=dynamodb&tableName=schema.table",
    "dms-details": "format=dms&IncludeTransactionDetails=true&IncludeNullAndEmpty=true&EnableBeforeImage=true",
    "dms-exact": "format=dms&exact=true&MapBooleanAsBoolean=true",
    "debezium-exact": "format=debezium&exact=true&decimal.handling.mode=double&time.precision.mode=connect",
    "native-kpl": "aggregation=kpl&compression=gzip",
}


def operator_of(database: Database, folder: Path, *sinks: str, files: dict[str, str] | None = None) -> Operator:
    """Runs commands with these sinks in their settings, each ``NAME=URL``."""
    parts = [sink.partition("=") for sink in sinks]
    settings = "\n".join(f'[[sink]]\nname = "{name}"\nurl = "{url}"' for name, _, url in parts)
    env = {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url}
    return Operator(env, folder, {"forwarder.toml": settings, **(files or {})})


async def silently(
    connection: asyncpg.Connection[asyncpg.Record], *statements: str, table: str = "public.orders"
) -> None:
    """Write to the table without the triggers, so that no record tells of it."""
    async with connection.transaction():
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for statement in statements:
            await connection.execute(statement)
        await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


PLANTED = (
    "UPDATE public.orders SET status = 'lost', total = 9 WHERE id = 3",
    "UPDATE public.orders SET note = '{}' WHERE id = 5",
    "DELETE FROM public.orders WHERE id = 4",
    "INSERT INTO public.orders (id) VALUES (99)",
)
FOUND = [
    ("extra", {"id": 4}, []),
    ("missing", {"id": 99}, []),
    ("stale", {"id": 3}, ["status", "total"]),
    ("stale", {"id": 5}, ["note"]),
]


def told(lines: str) -> tuple[list[tuple[str, dict[str, Any], Sequence[str]]], dict[str, Any]]:
    """The differences, sorted, and the summary."""
    *differences, summary = map(json.loads, lines.splitlines())
    found = [(one["kind"], one["key"], one["columns"]) for one in differences]
    return sorted(found, key=str), summary["summary"]
