"""`forwarder verify` of a table whose columns are sent in another form: they are compared in that form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.cases import each_value_once
from tests.databases import Database
from tests.migrating import migrate_tables
from tests.verifying import operator_of, silently, told

CUSTOMERS = """
    CREATE TYPE public.mood AS ENUM ('good', 'bad');
    CREATE TABLE public.customers (
        id {key} PRIMARY KEY, email text, card text, phone text, name text, ssn text, mood public.mood, born date, score numeric,
        twice numeric GENERATED ALWAYS AS (score * 2) STORED
    )
"""
RULES = {
    "hash": ["email", "score"],
    "mask_digits": {"card": "#"},
    "randomize_digits": ["phone"],
    "truncate": {"name": 3},
    "mask": {"born": "1900-01-01"},
    "exclude": ["ssn"],
}
ROWS = """
    INSERT INTO public.customers (id, email, card, phone, name, ssn, mood, born, score)
    SELECT id, 'a' || id, '4242 ' || id, '030 ' || id, 'name ' || id, '1', 'good', '2000-01-01', id + 0.50 FROM generate_series(1, 12) AS id
"""
FORMATS = ["native", "dms", "debezium", "dynamodb&tableName=schema.table"]


async def captured(connection: asyncpg.Connection[asyncpg.Record], *, key: str, columns: dict[str, Any]) -> None:
    await connection.execute(CUSTOMERS.format(key=key))
    await migrate_tables(connection, "public.customers", options={"columns": columns})
    await connection.execute(ROWS)
    await connection.execute("UPDATE public.customers SET email = NULL, name = 'other' WHERE id::integer % 4 = 0")
    await connection.execute("DELETE FROM public.customers WHERE id = '6'")


@pytest.mark.parametrize("format", FORMATS)
async def test_columns_are_compared_in_the_form_in_which_they_are_sent(
    database: Database, connection: asyncpg.Connection[asyncpg.Record], tmp_path: Path, format: str
) -> None:
    await captured(connection, key="bigint", columns=RULES)
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes?format={format}")
    await operator.says("listen", "--once")
    found, summary = told(await operator.says("verify", "customers", "--complete", "--json"))
    assert (found, summary["rows"], summary["remarks"]) == ([], 11, [])
    await silently(
        connection,
        "UPDATE public.customers SET email = 'b', card = '4242-1' WHERE id = 1",
        "UPDATE public.customers SET phone = '031 2', score = 0 WHERE id = 2",
        # What records do not tell may be anything: the rest of a name, a value that is masked, and one that is not sent.
        "UPDATE public.customers SET name = 'names', born = '2001-01-01', ssn = '2', card = '9999 3' WHERE id = 3",
        table="public.customers",
    )
    found, summary = told(await operator.finds("verify", "customers", "--complete", "--json"))
    assert [(kind, key, sorted(columns)) for kind, key, columns in found] == [
        ("stale", {"id": 1}, ["card", "email"]),
        ("stale", {"id": 2}, ["phone", "score", "twice"]),
    ]


@each_value_once(format=FORMATS, key=["bigint", "text"])
async def test_rows_with_a_hashed_key_are_found(
    database: Database, connection: asyncpg.Connection[asyncpg.Record], tmp_path: Path, format: str, key: str
) -> None:
    await captured(connection, key=key, columns={"hash": ["id"]})
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes?format={format}")
    await operator.says("listen", "--once")
    found, summary = told(await operator.says("verify", "customers", "--complete", "--json"))
    assert (found, summary["rows"], summary["not_judged"]) == ([], 11, 0)
    await silently(
        connection,
        "UPDATE public.customers SET email = 'b' WHERE id = '3'",
        "DELETE FROM public.customers WHERE id = '4'",
        "INSERT INTO public.customers (id) VALUES ('99')",
        table="public.customers",
    )
    found, summary = told(await operator.finds("verify", "customers", "--complete", "--json"))
    assert sorted((kind, columns) for kind, _, columns in found) == [("missing", []), ("stale", ["email"])]
    # That row 4 is gone cannot be seen: nobody finds a row by a hash.
    assert summary["not_judged"] == 1
    found, _ = told(await operator.finds("verify", "customers", "--complete", "--json", "--key", "3", "--key", "5"))
    assert [columns for _, _, columns in found] == [["email"]]


async def test_a_partitioned_table_is_compared_by_its_rules(
    database: Database, connection: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    await connection.execute(
        "CREATE TABLE public.events (region text, id bigint, email text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);"
        " CREATE TABLE public.part_a PARTITION OF public.events FOR VALUES IN ('a');"
        " CREATE TABLE public.part_b PARTITION OF public.events FOR VALUES IN ('b')"
    )
    await migrate_tables(connection, "public.events", options={"columns": {"hash": ["email"]}})
    await connection.execute(
        "INSERT INTO public.events SELECT region, id, 'x' || id FROM unnest('{a,b}'::text[]) AS region, generate_series(1, 4) AS id"
    )
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes")
    await operator.says("listen", "--once")
    found, summary = told(await operator.says("verify", "events", "--complete", "--json"))
    assert (found, summary["rows"], summary["remarks"]) == ([], 8, [])
