"""`forwarder load` as an operator uses it. A stand-in for the leader moves the loads on by hand."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from forwarder.database.sessions import session
from forwarder.outbox.position import Snapshot
from forwarder.store.leadership import Leadership
from forwarder.store.loads import Load, Loads
from forwarder.store.positions import Positions
from tests.capture import capture
from tests.databases import Database
from tests.listening import Operator, command

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

BEGUN = Snapshot(3, 5, (3,))
WAITS = "default: waits for `forwarder listen`: no listener leads this sink"


@pytest.fixture
def env(database: Database) -> Mapping[str, str]:
    return {"FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": "file:changes.jsonl"}


@pytest.fixture
def operator(env: Mapping[str, str], tmp_path: Path) -> Operator:
    return Operator(env, tmp_path)


@pytest.fixture(autouse=True)
async def _tables(connection: Connection) -> None:
    await connection.execute(
        "CREATE TABLE public.orders (id bigint PRIMARY KEY, total numeric); CREATE TABLE public.items (id bigint PRIMARY KEY);"
        " CREATE TABLE public.notes (id bigint PRIMARY KEY)"
    )
    for table in ("orders", "items"):
        await capture(connection, f"public.{table}")


@asynccontextmanager
async def leading(database: Database, sink: str = "default") -> AsyncIterator[Loads]:
    """Lead a sink as a listener does, for the length of a block."""
    async with session(database.url, purpose="leader") as leader:
        assert await Leadership(leader, sink=sink).take()
        positions = Positions(leader, sink=sink)
        await positions.load()
        yield Loads(leader, sink=sink, epoch=positions.epoch)


async def begin(loads: Loads, *, rows: int, estimated_rows: int = 100) -> Load:
    """Have the oldest load begin that waits, and read so many rows."""
    load = (await loads.due())[0]
    assert await loads.begin(load, begun=BEGUN, estimated_rows=estimated_rows)
    assert await loads.advance(load, place='{"relation": 7, "after": ["secret"]}', rows=rows, bytes=rows * 1000)
    return load


async def listed(operator: Operator, *arguments: str) -> Sequence[dict[str, Any]]:
    lines = (await operator.says("load", *arguments, "--status", "--json")).splitlines()
    return [json.loads(line) for line in lines]


async def test_a_load_is_followed_to_its_end(database: Database, env: Mapping[str, str], tmp_path: Path) -> None:
    async with leading(database) as loads, command("load", "orders", env=env, directory=tmp_path / "load") as run:
        await run.prints("default: public.orders: waiting")
        load = await begin(loads, rows=12)
        await run.prints("default: public.orders: running, 12 of about 100 rows (12.0 kB)")
        await loads.advance(load, place="{}", rows=60, bytes=60_000)
        await loads.finish(load, rows=1234, bytes=2_345_678)

        assert await run.ends() == 0

    # What is on the way from one state to the next is for bars on a terminal.
    *_, outcome = run.stdout.decode().splitlines()
    assert outcome.startswith("default: public.orders: 1,234 rows (2.3 MB) in ")
    assert run.stderr == ""


async def test_a_load_that_fails_ends_the_command_with_its_line(
    database: Database, env: Mapping[str, str], tmp_path: Path
) -> None:
    async with leading(database) as loads, command("load", "*", env=env, directory=tmp_path / "load") as run:
        await run.prints("default: public.items: waiting")
        first = await begin(loads, rows=12)
        await loads.fail(first, "it was dropped; create it")
        second = await begin(loads, rows=5)
        await loads.finish(second, rows=5, bytes=500)

        assert await run.ends() == 1

    assert run.stderr.splitlines() == [
        f"default: {first.qualified_name}: failed after 12 rows: it was dropped; create it"
    ]
    assert f"default: {second.qualified_name}: 5 rows (500 bytes)" in run.stdout.decode()


async def test_ctrl_c_leaves_the_load_as_it_is(
    operator: Operator, database: Database, env: Mapping[str, str], tmp_path: Path
) -> None:
    async with leading(database) as loads, command("load", "orders", env=env, directory=tmp_path / "load") as run:
        await run.prints("waiting")
        await begin(loads, rows=12)
        await run.prints("running")

        run.process.send_signal(signal.SIGINT)

        assert await run.ends() == 130
        assert "the loads go on without this command; `forwarder load --status` shows them" in run.stderr
        assert [load.rows for load in await loads.due()] == [12]


async def test_while_nobody_leads_it_says_once_what_it_waits_for(
    database: Database, env: Mapping[str, str], tmp_path: Path
) -> None:
    async with command("load", "orders", env=env, directory=tmp_path / "load") as run:
        await run.says(WAITS)
        async with leading(database) as loads:
            await loads.finish(await begin(loads, rows=1), rows=1, bytes=1)
            assert await run.ends() == 0
    assert run.stderr.count("waits for") == 1


async def test_a_detached_load_can_be_paused_resumed_and_cancelled(operator: Operator, database: Database) -> None:
    assert "default: public.orders: load 1 is waiting" in await operator.says("load", "orders", "--detach")
    async with leading(database) as loads:
        await begin(loads, rows=12)

        assert await operator.says("load", "orders", "--pause") == "default: public.orders: paused at 12 rows\n"
        assert await loads.due() == []
        assert "goes on at 12 rows" in await operator.says("load", "orders", "--resume")
        assert [load.rows for load in await loads.due()] == [12]
        assert "cancelled at 12 rows" in await operator.says("load", "ord*", "--cancel", "--sink", "default")

    for option in ("--pause", "--resume", "--cancel"):
        refusal = await operator.says("load", "orders", option, status=1)
        assert f"nothing to {option[2:]}: no load of orders is " in refusal
        assert "`forwarder load --status`" in refusal
    (found,) = await listed(operator)
    assert (found["state"], found["rows"]) == ("cancelled", 12)


async def test_a_second_load_of_a_table_is_refused_unless_it_is_to_begin_anew(operator: Operator) -> None:
    await operator.says("load", "orders", "--detach")

    refusal = await operator.says("load", "*", "--detach", status=1)
    assert "a load of public.orders for sink 'default' is waiting since" in refusal
    assert [load["number"] for load in await listed(operator)] == [1]
    await operator.says("load", "*", "--detach", "--restart")

    found = {load["table"]: load["state"] for load in await listed(operator)}
    assert found == {"orders": "waiting", "items": "waiting"}
    assert 1 not in [load["number"] for load in await listed(operator)]


async def test_the_status_shows_what_is_to_be_loaded_and_how_far_that_has_come(
    operator: Operator, database: Database
) -> None:
    await operator.says(
        "load",
        "orders",
        "--detach",
        "--where",
        "id > 5",
        "--columns",
        "id, total",
        "--order-by",
        "id>=7",
        "--limit",
        "9",
    )
    async with leading(database) as loads:
        await begin(loads, rows=12)
        await operator.says("load", "items", "--detach")
        items = (await loads.due())[1]
        await loads.fail(items, "no right to read it; GRANT it")

    (orders, failed) = await listed(operator)
    assert orders.items() >= {"sink": "default", "schema": "public", "table": "orders", "state": "running"}.items()
    assert orders["part"] == {"where": "id > 5", "columns": ["id", "total"], "order_by": "id>=7", "limit": 9}
    assert (orders["rows"], orders["bytes"], orders["estimated_rows"]) == (12, 12_000, 100)
    assert failed["error"] == "no right to read it; GRANT it"
    assert [load["table"] for load in await listed(operator, "items")] == ["items"]
    shown = await operator.says("load", "--status")
    assert "default: public.items: failed after 0 rows: no right to read it; GRANT it" in shown
    assert WAITS in shown
    assert "loads: 2" in shown
    assert "secret" not in shown + json.dumps(orders)


# For which sinks.


async def test_a_load_is_for_each_sink_that_is_for_the_table(database: Database, tmp_path: Path) -> None:
    settings = "".join(
        f'[[sink]]\nname = "{name}"\nurl = "file:{name}.jsonl"\ntables = {json.dumps(tables)}\n'
        for name, tables in {"all": [], "items": ["items"], "notes": ["notes"]}.items()
    )
    operator = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path, {"forwarder.toml": settings})

    await operator.says("load", "*", "--detach")
    assert {(load["sink"], load["table"]) for load in await listed(operator)} == {
        ("all", "orders"),
        ("all", "items"),
        ("items", "items"),
    }
    assert "for sink items" in await operator.says("load", "orders", "--pause", "--sink", "items", status=1)
    assert "sink 'notes' is not for public.orders" in await operator.says("load", "orders", "--sink", "notes", status=1)
    unknown = await operator.says("load", "orders", "--sink", "item", status=2)
    assert "--sink 'item': there is no such sink; did you mean 'items'?" in unknown
    assert len(await listed(operator, "--sink", "items")) == 1


async def test_without_settings_a_load_is_for_each_sink_that_was_served(database: Database, tmp_path: Path) -> None:
    operator = Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path)
    assert "no sink is known" in await operator.says("load", "orders", status=2)
    async with leading(database, "served"):
        pass

    assert "served: public.orders: load 1 is waiting" in await operator.says("load", "orders", "--detach")


# What is wrong.


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("order",), 2, "did you mean 'public.orders'?"),
        (("notes",), 1, "public.notes is not captured; run `forwarder migrate --table 'notes'` first"),
        (("orders", "notes"), 1, "public.notes is not captured"),
        (("a.b.c",), 2, "malformed"),
        ((), 2, "no table is named"),
        (("--pause",), 2, "no table is named"),
        (("orders", "--pause", "--cancel"), 2, "--pause and --cancel exclude each other"),
        (("orders", "--pause", "--limit", "5"), 2, "--limit is for a new load; leave it out, or --pause"),
        (("orders", "--json"), 2, "--json is for --status"),
        (("orders", "--columns", "id,,total"), 2, "has an empty name"),
        (("orders", "--limit", "0"), 2, "--limit"),
        (("orders", "--where", "totl > 5"), 1, 'public.orders: column "totl" does not exist'),
        (("orders", "--columns", "id,totl"), 1, "totl"),
        (("orders", "--order-by", "total"), 1, "CREATE INDEX CONCURRENTLY ON"),
        (("items", "--order-by", ">=5"), 1, "write COLUMN, or COLUMN>=VALUE"),
        (("order", "--status"), 1, "no captured table is like that"),
    ],
)
async def test_what_cannot_be_done_ends_in_one_line_with_the_remedy(
    operator: Operator, arguments: tuple[str, ...], status: int, says: str
) -> None:
    error = await operator.says("load", *arguments, status=status)

    assert says in error
    assert len(error.splitlines()) == 1


async def test_a_table_without_a_key_has_no_order(operator: Operator, connection: Connection) -> None:
    await connection.execute("CREATE TABLE public.bag (id bigint)")
    await capture(connection, "public.bag")

    error = await operator.says("load", "orders", "bag", "--order-by", "id", status=1)

    assert "order by: public.bag has no key; give it a primary key, or load all of it" in error
    assert await listed(operator) == []


async def test_a_partition_is_loaded_with_its_table(operator: Operator, connection: Connection) -> None:
    await connection.execute(
        "CREATE TABLE public.log (id bigint PRIMARY KEY) PARTITION BY RANGE (id);"
        " CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES FROM (0) TO (10)"
    )
    await capture(connection, "public.log")

    error = await operator.says("load", "log_1", status=1)

    assert "public.log_1 is a partition of public.log; name that table" in error


# With a listener.


async def stock(connection: Connection) -> None:
    """A captured table that had five rows before it was captured."""
    await connection.execute(
        "CREATE TABLE stock AS SELECT id FROM generate_series(1, 5) AS id; ALTER TABLE stock ADD PRIMARY KEY (id)"
    )
    await capture(connection, "public.stock")


def told(path: Path) -> Sequence[tuple[str, Any]]:
    """Of each record its kind, and the number of the row or how the load stands."""
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [(record["op"], record["after"]["id"] if record["after"] else record["load"]["state"]) for record in records]


LOADED = [("load", "began"), *(("read", number) for number in range(1, 6)), ("load", "finished")]


async def test_a_listener_loads_the_table_and_the_command_ends(
    connection: Connection, env: Mapping[str, str], tmp_path: Path
) -> None:
    await stock(connection)
    async with (
        command("listen", env=env, directory=tmp_path / "listen") as listener,
        command("load", "stock", env=env, directory=tmp_path / "load") as run,
    ):
        assert await run.ends() == 0
        assert await listener.stop() == 0

    assert "default: public.stock: 5 rows (" in run.stdout.decode()
    assert told(tmp_path / "listen" / "changes.jsonl") == LOADED


async def test_an_initial_load_is_done_once_and_load_only_ends_with_it(
    connection: Connection, env: Mapping[str, str], tmp_path: Path
) -> None:
    await stock(connection)
    env = {**env, "FORWARDER_SINK": f"file:{tmp_path}/changes.jsonl"}
    operator = Operator(env, tmp_path, {"forwarder.toml": '[[table]]\nmatch = "stock"\nload = "initial"\n'})

    await operator.says("listen", "--load-only")
    await operator.says("listen", "--load-only")

    assert told(tmp_path / "changes.jsonl") == LOADED
    (load,) = await listed(operator)
    assert (load["state"], load["rows"]) == ("finished", 5)


async def test_load_only_says_which_load_has_failed(
    connection: Connection, env: Mapping[str, str], tmp_path: Path
) -> None:
    operator = Operator({**env, "FORWARDER_SINK": f"file:{tmp_path}/changes.jsonl"}, tmp_path)
    await operator.says("load", "orders", "--detach", "--where", "total > 5")
    await connection.execute("ALTER TABLE orders DROP COLUMN total")

    error = await operator.says("listen", "--load-only", status=1)

    assert "the load of public.orders for sink default has failed" in error.splitlines()[-1]
    assert "total" in error.splitlines()[-1]


async def test_load_only_and_once_exclude_each_other(operator: Operator) -> None:
    assert "--once and --load-only exclude each other" in await operator.says(
        "listen", "--once", "--load-only", status=2
    )
