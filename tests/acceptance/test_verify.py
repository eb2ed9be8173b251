"""`forwarder verify` as a user runs it: a table against the records of a sink, in every format, and against a consumer's copy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from tests.databases import OWNER, WRITER, Database, connected
from tests.helps import EXAMPLES
from tests.listening import Operator, Served
from tests.mapped import numbered, object_mapping, selection, transformation
from tests.migrating import migrate, migrate_tables
from tests.verifying import FOUND, OPTIONS, ORDERS, PLANTED, ROWS, operator_of, silently, told


@pytest.fixture
async def orders(connection: asyncpg.Connection[asyncpg.Record]) -> asyncpg.Connection[asyncpg.Record]:
    """A session of the owner of a table that is captured since it was empty, and has rows."""
    await connection.execute(ORDERS)
    await migrate_tables(connection, "public.orders")
    await connection.execute(ROWS, 1, 20)
    await connection.execute("UPDATE public.orders SET status = NULL, total = total * 2 WHERE id % 5 = 0")
    await connection.execute("DELETE FROM public.orders WHERE id % 7 = 0")
    return connection


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


async def test_a_file_is_compared_as_a_stream_is(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes.jsonl")
    await operator.says("listen", "--once")
    assert await operator.says("verify", "public.orders") == ""
    await silently(orders, *PLANTED)
    lines = (await operator.finds("verify", "public.orders", "--complete")).splitlines()
    assert sorted(map(str.split, lines)) == [
        ["extra", "id=4"],
        ["missing", "id=99"],
        ["stale", "id=3", "status,", "total"],
        ["stale", "id=5", "note"],
    ]


async def test_an_example_runs_as_it_stands(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes.jsonl")
    await operator.says("listen", "--once")
    changes = (tmp_path / "changes.jsonl").read_text()
    operator = operator_of(
        database, tmp_path / "again", f"changes=file:{tmp_path}/changes.jsonl", files={"changes.jsonl": changes}
    )
    for example in EXAMPLES["verify",]:
        await operator.says(*example)


async def test_values_are_shown_only_if_asked_for(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes.jsonl")
    await operator.says("listen", "--once")
    await silently(orders, PLANTED[0])
    assert "lost" not in await operator.finds("verify", "orders")
    assert await operator.finds("verify", "orders", "--values") == (
        "stale    id=3  status: lost, in the record new, total: 9, in the record 3.10\n"
    )
    [difference, _] = map(json.loads, (await operator.finds("verify", "orders", "--values", "--json")).splitlines())
    assert (difference["table"]["status"], difference["record"]["status"]) == ("lost", "new")


async def test_some_keys_can_be_compared_alone(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes.jsonl?format=debezium")
    await operator.says("listen", "--once")
    await silently(orders, *PLANTED)
    keys = [f"--key={key}" for key in (1, 3, 4, 7)]
    found, summary = told(await operator.finds("verify", "orders", "--json", *keys))
    assert (found, summary["rows"]) == ([FOUND[0], FOUND[2]], 4)
    assert await operator.says("verify", "orders", "--key=1", "--key=7") == ""


async def test_so_many_differences_are_shown_and_all_are_counted(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes.jsonl")
    await operator.says("listen", "--once")
    await silently(orders, "UPDATE public.orders SET total = -1")
    assert len((await operator.finds("verify", "orders", "--limit=3")).splitlines()) == 3
    found, summary = told(await operator.finds("verify", "orders", "--limit=0", "--json"))
    assert (found, summary["stale"]) == ([], 18)


async def test_rows_of_before_the_records_are_not_judged(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    await orders.execute("CREATE TABLE public.items (id text PRIMARY KEY, count integer)")
    await orders.execute("INSERT INTO public.items SELECT 'item ' || id, id FROM generate_series(1, 10) AS id")
    await migrate_tables(orders, "public.items")
    await orders.execute("UPDATE public.items SET count = 0 WHERE id < 'item 3'")
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes.jsonl")
    await operator.says("listen", "--once")
    found, summary = told(await operator.says("verify", "items", "--json"))
    assert (found, summary["rows"], summary["not_judged"], summary["complete"]) == ([], 10, 7, False)
    assert "7 rows without a record not judged" in summary["remarks"][0]
    _, summary = told(await operator.finds("verify", "items", "--json", "--complete"))
    assert summary["missing"] == 7
    # What comes behind a TRUNCATE is all there is.
    await orders.execute("TRUNCATE public.items")
    await orders.execute("INSERT INTO public.items VALUES ('new', 1)")
    await operator.says("listen", "--once")
    found, summary = told(await operator.says("verify", "items", "--json"))
    assert (found, summary["rows"], summary["complete"]) == ([], 1, True)


async def test_a_copy_is_compared_value_by_value(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    operator = operator_of(database, tmp_path)
    await orders.execute("CREATE SCHEMA copies")
    await orders.execute("CREATE TABLE copies.orders AS SELECT *, 1 AS seq FROM public.orders")
    against = ("verify", "orders", "--against", database.url, "--against-table", "copies.orders")
    assert "primary key" in await operator.says(*against, status=2)
    await orders.execute("ALTER TABLE copies.orders ADD PRIMARY KEY (id)")
    found, summary = told(await operator.says(*against, "--json"))
    assert (found, summary["rows"], summary["copied_rows"]) == ([], 18, 18)
    assert summary["remarks"] == ["not compared, since the table does not have them: seq"]
    await silently(orders, *PLANTED)
    found, _ = told(await operator.finds(*against, "--json"))
    assert [(kind, key["id"], columns) for kind, key, columns in found] == [
        (kind, str(key["id"]), columns) for kind, key, columns in FOUND
    ]


async def test_rules_of_the_capture_are_heeded(
    database: Database, connection: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    await connection.execute(
        "CREATE TABLE public.customers (id integer PRIMARY KEY, email text, ssn text, status text)"
    )
    options = {"where": "NEW.status <> 'draft'", "columns": {"exclude": ["ssn"], "hash": ["email"]}}
    await migrate_tables(connection, "public.customers", options=options)
    await connection.execute("INSERT INTO public.customers VALUES (1, 'a', 'b', 'new'), (2, 'c', 'd', 'draft')")
    await connection.execute("INSERT INTO public.customers VALUES (3, 'a', 'b', 'new')")
    await connection.execute("UPDATE public.customers SET status = 'draft' WHERE id = 3")
    formats = ("native", "dms")
    operator = operator_of(
        database, tmp_path, *(f"{name}=file:{tmp_path}/{name}.jsonl?format={name}" for name in formats)
    )
    await operator.says("listen", "--once")
    for name in formats:
        arguments = ("verify", "customers", "--json", "--complete", "--sink", name)
        found, summary = told(await operator.says(*arguments))
        assert (found, summary["rows"]) == ([], 1)
        assert summary["remarks"] == []


@pytest.mark.parametrize("format", ["native", "dms", "dms&IncludeNullAndEmpty=true"])
async def test_rows_are_found_under_the_names_of_table_mappings(
    database: Database, connection: asyncpg.Connection[asyncpg.Record], tmp_path: Path, format: str
) -> None:
    rules = [
        selection("public.%"),
        object_mapping(
            "public.orders",
            "map-record-to-document",
            target_table_name="Purchases",
            parameters={"exclude_columns": ["proof"]},
        ),
        transformation("convert-uppercase", "public.orders.%"),
    ]
    await connection.execute(ORDERS)
    env = {"FORWARDER_TABLE_MAPPINGS": "mappings.json", "FORWARDER_DATABASE_URL": database.url}
    url = f"file:{tmp_path}/changes.jsonl?format={format}"
    operator = Operator({**env, "FORWARDER_SINK": url}, tmp_path, {"mappings.json": numbered(*rules)})
    await operator.says("migrate")
    await connection.execute(ROWS, 1, 10)
    await connection.execute("DELETE FROM public.orders WHERE id = 2")
    await operator.says("listen", "--once")
    found, summary = told(await operator.says("verify", "orders", "--json", "--complete"))
    assert (found, summary["rows"], summary["changes"]) == ([], 9, 11)
    await silently(connection, "UPDATE public.orders SET status = NULL WHERE id = 3")
    [(kind, _, columns)], _ = told(await operator.finds("verify", "orders", "--json", "--complete"))
    assert (kind, columns) == ("stale", ["STATUS"])


async def test_updates_that_tell_what_has_changed_are_put_together(
    database: Database, connection: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    await connection.execute(ORDERS)
    await migrate_tables(connection, "public.orders", options={"before": "changed", "after": "changed"})
    await connection.execute(ROWS, 1, 10)
    await connection.execute("UPDATE public.orders SET status = 'paid' WHERE id < 5")
    await connection.execute("UPDATE public.orders SET total = 0, note = NULL WHERE id = 3")
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes.jsonl")
    await operator.says("listen", "--once")
    assert await operator.says("verify", "orders", "--complete") == ""
    await silently(connection, *PLANTED)
    assert told(await operator.finds("verify", "orders", "--complete", "--json"))[0] == FOUND


async def test_columns_that_came_and_went_are_no_difference(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    await orders.execute("ALTER TABLE public.orders ADD COLUMN more text DEFAULT 'x', DROP COLUMN ratio")
    await orders.execute("ALTER TABLE public.orders RENAME COLUMN id TO number")
    await orders.execute("UPDATE public.orders SET total = 1 WHERE number < 5")
    for format in ("native", "debezium"):
        operator = operator_of(database, tmp_path / format, f"changes=file:{tmp_path}/{format}.jsonl?format={format}")
        await operator.says("listen", "--once")
        if format == "debezium":
            await operator.says("replay", "--sink=changes", "--from=oldest")
            await operator.says("listen", "--once")
        _, summary = told(await operator.says("verify", "orders", "--json", "--complete"))
        assert summary["rows"] == 18
        assert summary["remarks"] == [
            "not compared, since only the table has them: more, number",
            "not compared, since the table does not have them: id, ratio",
        ]


async def test_keys_of_many_types_are_followed_in_their_order(
    database: Database, connection: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    await connection.execute(
        """
        CREATE TABLE public.visits (
            region text COLLATE "C", day date, code uuid, amount numeric, note text, PRIMARY KEY (day, region, code, amount)
        ) PARTITION BY RANGE (day);
        CREATE TABLE public.visits_old PARTITION OF public.visits FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
        CREATE TABLE public.visits_new PARTITION OF public.visits FOR VALUES FROM ('2024-01-01') TO (MAXVALUE);
        """
    )
    await migrate_tables(connection, "public.visits")
    await connection.execute(
        """
        INSERT INTO public.visits
        SELECT 'r"' || id % 7, date '2023-12-01' + id / 40, md5(id::text)::uuid, id * 1.50, 'x' FROM generate_series(1, 2500) AS id
        """
    )
    formats = ("native", "debezium", "dynamodb")
    operator = operator_of(
        database, tmp_path, *(f"{name}=file:{tmp_path}/{name}.jsonl?format={name}" for name in formats)
    )
    await operator.says("listen", "--once")
    for name in formats:
        found, summary = told(await operator.says("verify", "visits", "--json", f"--sink={name}"))
        assert (found, summary["rows"], summary["not_judged"]) == ([], 2500, 0), name
    await connection.execute("ALTER TABLE public.visits DISABLE TRIGGER ALL")
    await connection.execute("DELETE FROM public.visits WHERE code = md5('7')::uuid")
    found, _ = told(await operator.finds("verify", "visits", "--json", "--sink=native"))
    assert [(kind, key["day"]) for kind, key, _ in found] == [("extra", "2023-12-01")]
    _, summary = told(await operator.says("verify", "visits", "--json", "--sink=debezium"))
    # A date is a number of days there.
    assert summary["not_judged"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "'nothing' matches no table"),
        (["public.*"], "name one table"),
        (["keyless"], "public.keyless has no primary key"),
        (["uncaptured"], "is not captured; run `forwarder migrate --table public.uncaptured`"),
        (["part_a"], "is a partition; verify the whole table, public.whole"),
        (["orders", "--sink", "other"], "--sink 'other' is in no settings"),
        (["orders", "--sink", "stdout:"], "stdout: cannot be read again"),
        (["orders", "--sink", "file:nowhere.jsonl"], "cannot read nowhere.jsonl"),
        (["orders"], "sink 'changes' has delivered nothing yet"),
        (["orders", "--from", "soon"], "--from 'soon' is neither oldest nor a time"),
        (["orders", "--from", "2999-01-01"], "is in the future"),
        (["orders", "--key", "x", "--sink", "file:empty"], "the key of public.orders is id bigint"),
        (
            ["whole", "--key", "1,2,3", "--sink", "file:empty"],
            "has 3 of 2 values; the key of public.whole is (region, id)",
        ),
        (["orders", "--against", "mysql://x"], "is no URL of PostgreSQL"),
        (["orders", "--against", "postgresql://", "--sink", "changes"], "--against reads no records"),
        (["orders", "--against-table", "x"], "add --against URL"),
        (["orders", "--sink", "file:empty?format=lambda"], "cannot be told from those of public.orders"),
        (
            ["orders", "--sink", "file:empty?format=dynamodb&view=KEYS_ONLY&tableName=schema.table"],
            "do not have the rows",
        ),
        (
            ["orders", "--sink", "kinesis://x?region=us-east-1&format=dms&ordering=none"],
            "are in no order and have no seq",
        ),
        (
            ["orders", "--sink", "kinesis://x?region=us-east-1&endpoint_url=http://127.0.0.1:9"],
            "check region and endpoint_url",
        ),
        (["orders", "--limit", "x"], "--limit"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path, arguments: list[str], said: str
) -> None:
    await orders.execute(
        """
        CREATE TABLE public.keyless (a integer);
        CREATE TABLE public.uncaptured (a integer PRIMARY KEY);
        CREATE TABLE public.whole (region text, id integer, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
        CREATE TABLE public.part_a PARTITION OF public.whole FOR VALUES IN ('a');
        """
    )
    await migrate_tables(orders, "public.keyless", "public.whole")
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes.jsonl", files={"empty": ""})
    line = await operator.says("verify", *arguments, status=2)
    assert said in line
    assert len(line.splitlines()) == 1


async def test_the_role_that_listens_needs_no_more_than_to_read_the_table(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    async with connected(database.superuser_url) as superuser:
        role = f"runtime_{database.name}"
        await superuser.execute(f"CREATE ROLE {role} LOGIN")
        try:
            # Only its owner may read the salt of a hash.
            await migrate(orders, "public.orders", runtime_role=role, options={"columns": {"hash": ["status"]}})
            await orders.execute("UPDATE public.orders SET total = 1")
            runtime = replace(database, url=database.url.replace(OWNER, role))
            for format in ("native", "debezium"):
                url = f"changes=file:{tmp_path}/{format}.jsonl?format={format}"
                operator = operator_of(runtime, tmp_path / format, url)
                await operator.says("listen", "--once")
                await orders.execute(f"REVOKE SELECT ON public.orders FROM {role}")
                assert "GRANT SELECT on it" in await operator.says("verify", "orders", status=2)
                await orders.execute(f"GRANT SELECT ON public.orders TO {role}")
                assert await operator.says("verify", "orders") == ""
        finally:
            await superuser.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_no_code_of_others_is_run(
    database: Database, orders: asyncpg.Connection[asyncpg.Record], tmp_path: Path
) -> None:
    await orders.execute("CREATE TYPE public.mood AS ENUM ('good')")
    await orders.execute("ALTER TABLE public.orders ADD COLUMN mood public.mood")
    async with connected(database.superuser_url) as superuser:
        await superuser.execute(
            f"""
            GRANT CREATE ON SCHEMA public TO {WRITER};
            ALTER TYPE public.mood OWNER TO {WRITER};
            SET ROLE {WRITER};
            CREATE FUNCTION public.told(public.mood) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN current_user; END$$;
            CREATE CAST (public.mood AS text) WITH FUNCTION public.told;
            """
        )
    operator = operator_of(database, tmp_path, f"changes=file:{tmp_path}/changes.jsonl")
    assert "belongs neither to a superuser" in await operator.says("verify", "orders", status=2)
