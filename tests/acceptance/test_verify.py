"""`forwarder verify` as a user runs it: a table against the records of a sink, in every format, and against a consumer's copy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from forwarder.config.formats import FORMATS
from tests.databases import Database, connected
from tests.listening import CREDENTIALS, STREAM, Operator, Served, kinesis_with_stream
from tests.migrating import migrate

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


@pytest.fixture
async def orders(connection: asyncpg.Connection[asyncpg.Record]) -> asyncpg.Connection[asyncpg.Record]:
    """A session of the owner of a table that is captured since it was empty, and has rows."""
    await connection.execute(ORDERS)
    await migrate(connection, "public.orders")
    await connection.execute(ROWS, 1, 20)
    await connection.execute("UPDATE public.orders SET status = NULL, total = total * 2 WHERE id % 5 = 0")
    await connection.execute("DELETE FROM public.orders WHERE id % 7 = 0")
    return connection


async def silently(connection: asyncpg.Connection[asyncpg.Record], *statements: str) -> None:
    """Write to the table without the triggers, so that no record tells of it."""
    async with connection.transaction():
        await connection.execute("ALTER TABLE public.orders DISABLE TRIGGER ALL")
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("ALTER TABLE public.orders ENABLE TRIGGER ALL")


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


@pytest.mark.parametrize("name", OPTIONS)
async def test_what_is_planted_is_found_in_every_format(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], served: Served, tmp_path: Path, name: str
) -> None:
    operator = operator_of(database, tmp_path, f"changes={served.sink}&{OPTIONS[name]}")
    await operator.says("listen", "--once")
    found, summary = told(await operator.says("verify", "orders", "--json", "--complete"))
    assert (found, summary["rows"]) == ([], 18), summary
    await silently(orders, *PLANTED)
    run = await operator.finds("verify", "orders", "--json", "--complete")
    found, summary = told(run)
    assert found == FOUND
    assert summary["not_judged"] == 0
