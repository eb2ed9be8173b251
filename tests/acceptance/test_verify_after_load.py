"""`forwarder verify` where a load has told of the rows that the table had before it was captured."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from tests.cases import some
from tests.databases import Database
from tests.listening import Served
from tests.migrating import migrate_tables
from tests.verifying import FOUND, OPTIONS, ORDERS, PLANTED, ROWS, operator_of, silently, told

# What follows a load: of rows that it has read, some change, one goes, and one goes and comes again.
CHANGES = (
    "UPDATE public.orders SET status = 'paid', total = total * 2 WHERE id % 5 = 0",
    "DELETE FROM public.orders WHERE id IN (7, 14)",
    "INSERT INTO public.orders (id, status) VALUES (14, 'again'), (21, 'new')",
)


@pytest.fixture
async def orders(connection: asyncpg.Connection[asyncpg.Record]) -> asyncpg.Connection[asyncpg.Record]:
    """A session of the owner of a table that had rows before it was captured."""
    await connection.execute(ORDERS)
    await connection.execute(ROWS, 1, 20)
    await migrate_tables(connection, "public.orders")
    return connection


# Between them these three have every format once.
@pytest.mark.parametrize("name", some("native-kpl", "dms-exact", "debezium-exact", of=OPTIONS))
async def test_rows_that_a_load_has_read_count_until_they_change(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], served: Served, tmp_path: Path, name: str
) -> None:
    operator = operator_of(database, tmp_path, f"changes={served.sink}&{OPTIONS[name]}")
    await orders.execute("UPDATE public.orders SET status = 'old' WHERE id % 3 = 0")
    await operator.says("listen", "--once")
    await operator.says("load", "orders", "--detach")
    await operator.says("listen", "--load-only")
    for statement in CHANGES:
        await orders.execute(statement)
    await operator.says("listen", "--once")
    found, summary = told(await operator.says("verify", "orders", "--json"))
    assert (found, summary["rows"], summary["not_judged"]) == ([], 20, 0), summary
    await silently(orders, *PLANTED)
    found, _ = told(await operator.finds("verify", "orders", "--json"))
    assert found == FOUND


@pytest.mark.parametrize("name", some("lambda", "cloudevents", of=["native", "debezium", "lambda", "cloudevents"]))
async def test_a_row_that_a_whole_load_has_not_told_is_missing(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path, name: str
) -> None:
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes?{OPTIONS[name]}")
    await operator.says("listen", "--once")
    await operator.says("load", "orders", "--detach")
    await operator.says("listen", "--load-only")
    await silently(orders, "INSERT INTO public.orders (id) VALUES (99)")
    found, summary = told(await operator.finds("verify", "orders", "--json"))
    assert found == [("missing", {"id": 99}, [])]
    assert summary["complete"] is True


async def test_a_load_of_some_rows_says_nothing_of_the_others(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes")
    await operator.says("listen", "--once")
    await operator.says("load", "orders", "--where", "id <= 15", "--detach")
    await operator.says("listen", "--load-only")
    found, summary = told(await operator.says("verify", "orders", "--json"))
    assert (found, summary["not_judged"], summary["complete"]) == ([], 5, False)


@pytest.mark.parametrize("name", some("dms-details", "dynamodb", of=["native", "dms-details", "dynamodb"]))
async def test_loaded_rows_are_compared_as_the_rules_have_them(
    database: Database, connection: asyncpg.Connection[asyncpg.Record], tmp_path: Path, name: str
) -> None:
    await connection.execute(ORDERS)
    await connection.execute(ROWS, 1, 20)
    await migrate_tables(
        connection, "public.orders", options={"columns": {"hash": ["id", "total"], "truncate": {"status": 2}}}
    )
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes?{OPTIONS[name]}")
    await operator.says("listen", "--once")
    await operator.says("load", "orders", "--detach")
    await operator.says("listen", "--load-only")
    for statement in CHANGES:
        await connection.execute(statement)
    await operator.says("listen", "--once")
    found, summary = told(await operator.says("verify", "orders", "--json", "--complete"))
    assert (found, summary["rows"], summary["not_judged"]) == ([], 20, 0), summary
    await silently(
        connection,
        "UPDATE public.orders SET status = 'lost' WHERE id = 3",
        "UPDATE public.orders SET total = 0 WHERE id = 21",
    )
    found, _ = told(await operator.finds("verify", "orders", "--json", "--complete"))
    assert sorted(list(columns) for _, _, columns in found) == [["status"], ["total"]]
