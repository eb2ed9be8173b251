"""A change of a captured table itself is an event in the table's lane, where that is asked for; and a rename shows in the records at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from forwarder.config.settings import Settings
from forwarder.database.sessions import session
from tests.databases import Database, connected
from tests.integration.test_new_tables import look, migrate, settings_of
from tests.listening import CREDENTIALS, Served, leads, listening
from tests.migrating import captured
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ON: Settings = settings_of({"match": "public.*"}, {"match": "shop.*"}, schema_events=True)
OFF: Settings = settings_of({"match": "public.*"}, {"match": "shop.*"})
ITEM = "CREATE TABLE public.item (id integer PRIMARY KEY, note text)"
ID = {"name": "id", "type": "integer", "nullable": False, "key": 1}
NOTE = {"name": "note", "type": "text", "nullable": True, "key": None}


def item(*columns: dict[str, Any], schema: str = "public", table: str = "item") -> dict[str, Any]:
    return {"schema": schema, "table": table, "columns": list(columns)}


async def told(connection: Connection) -> list[tuple[Any, Any]]:
    """Of each schema event what the table was, and what it is."""
    return [(change.before, change.after) for change in await captured(connection) if change.op == "S"]


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="janitor") as connection:
        yield connection


@pytest.fixture
async def followed(owner: Connection, database: Database) -> Connection:
    """The owner, after a superuser has made the event triggers, and with a captured table."""
    async with session(database.superuser_url, purpose="tests") as root:
        await migrate(root, ON)
    await owner.execute(ITEM)
    return owner


async def test_each_change_of_a_table_is_told_in_its_place_among_the_changes_of_rows(followed: Connection) -> None:
    await followed.execute("INSERT INTO public.item VALUES (1, 'a')")
    await followed.execute("ALTER TABLE public.item ADD COLUMN price numeric(10, 2) NOT NULL DEFAULT 0")
    await followed.execute("INSERT INTO public.item VALUES (2, 'b', 3)")
    await followed.execute("ALTER TABLE public.item RENAME note TO remark")
    await followed.execute("ALTER TABLE public.item ALTER remark TYPE varchar(9), DROP COLUMN price")
    await followed.execute("DROP TABLE public.item")

    price = {"name": "price", "type": "numeric(10,2)", "nullable": False, "key": None}
    remark = {**NOTE, "name": "remark"}
    altered = {"command": "ALTER TABLE"}
    assert await told(followed) == [
        (None, {"command": "CREATE TABLE", **item(ID, NOTE)}),
        (item(ID, NOTE), {**altered, **item(ID, NOTE, price)}),
        (item(ID, NOTE, price), {**altered, **item(ID, remark, price)}),
        (item(ID, remark, price), {**altered, **item(ID, {**remark, "type": "character varying(9)"})}),
        (item(ID, {**remark, "type": "character varying(9)"}), None),
    ]
    assert [change.op for change in await captured(followed)] == list("SISISSS")
    assert await look(followed, ON) == ()
    assert len(await told(followed)) == 5


async def test_a_rename_of_a_table_or_its_schema_and_a_move_are_told(followed: Connection) -> None:
    await followed.execute("CREATE SCHEMA shop")
    await followed.execute("ALTER TABLE public.item RENAME TO thing")
    await followed.execute("ALTER TABLE public.thing SET SCHEMA shop")
    await followed.execute("ALTER SCHEMA shop RENAME TO store")

    assert [(after["command"], after["schema"], after["table"]) for _, after in await told(followed)] == [
        ("CREATE TABLE", "public", "item"),
        ("ALTER TABLE", "public", "thing"),
        ("ALTER TABLE", "shop", "thing"),
        ("ALTER SCHEMA", "store", "thing"),
    ]


async def test_what_changes_no_column_what_is_undone_and_what_is_not_captured_is_not_told(followed: Connection) -> None:
    await followed.execute("ALTER TABLE public.item SET (fillfactor = 50)")
    await followed.execute("CREATE INDEX ON public.item (note); ANALYZE public.item; TRUNCATE public.item")
    await followed.execute("BEGIN; ALTER TABLE public.item DROP COLUMN note; ROLLBACK")
    await followed.execute("CREATE SCHEMA other; CREATE TABLE other.item (id integer); DROP TABLE other.item")
    assert len(await told(followed)) == 1


async def test_without_event_triggers_the_next_look_tells(owner: Connection) -> None:
    await migrate(owner, ON)
    await owner.execute(ITEM)
    for _ in range(2):
        await look(owner, ON)
    await owner.execute("ALTER TABLE public.item DROP COLUMN note")
    for _ in range(2):
        await look(owner, ON)
    await owner.execute("DROP TABLE public.item")
    for _ in range(2):
        await look(owner, ON)

    assert await told(owner) == [
        (None, {"command": None, **item(ID, NOTE)}),
        (item(ID, NOTE), {"command": None, **item(ID)}),
        (item(ID), None),
    ]


async def test_off_by_default_and_off_again(owner: Connection, database: Database) -> None:
    await migrate(owner, OFF)
    await owner.execute(ITEM)
    await look(owner, OFF)
    assert await told(owner) == []
    await migrate(owner, ON)
    await look(owner, OFF)
    assert len(await told(owner)) == 1
    await migrate(owner, OFF)
    await owner.execute("ALTER TABLE public.item DROP COLUMN note")
    await look(owner, OFF)
    assert len(await told(owner)) == 1


async def test_two_looks_at_once_tell_each_change_once(owner: Connection, database: Database) -> None:
    await migrate(owner, ON)
    await owner.execute(ITEM)
    await look(owner, ON)
    await owner.execute("ALTER TABLE public.item DROP COLUMN note")
    async with connected(database.url) as other:
        await other.execute("BEGIN; SELECT forwarder.tell_schemas()")
        [line] = await look(owner, ON)
        assert line.endswith("cannot tell how tables have changed: canceling statement due to lock timeout")
        await other.execute("COMMIT")
    await look(owner, ON)
    assert len(await told(owner)) == 2


async def test_ddl_goes_on_whatever_is_wrong_with_us_and_waits_for_nobody(
    followed: Connection, database: Database
) -> None:
    await followed.execute("SET statement_timeout = '5s'")
    async with connected(database.superuser_url) as other:
        for number, table in enumerate(("captured_table", "told_schema", "outbox", "schema_events")):
            await other.execute(f"BEGIN; LOCK TABLE forwarder.{table} IN ACCESS EXCLUSIVE MODE")
            await followed.execute(f"ALTER TABLE public.item ADD COLUMN column_{number} integer")
            await other.execute("ROLLBACK")
        await other.execute("ALTER TABLE forwarder.told_schema RENAME TO gone")
        await followed.execute("ALTER TABLE public.item RENAME note TO remark")
        await other.execute("ALTER TABLE forwarder.gone RENAME TO told_schema")
    assert len(await told(followed)) == 1
    await look(followed, ON)
    assert len(await told(followed)) == 2


# In the stream


async def test_the_stream_has_a_schema_record_before_the_rows_that_it_is_about(
    followed: Connection, database: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    records: list[dict[str, Any]] = []

    async def arrived() -> bool:
        records[:] = sorted(map(json.loads, served.data()), key=lambda record: int(record["seq"]))
        return len(records) == 6

    async with listening(database.url, served.sink) as service:
        await leads(service)
        await followed.execute("INSERT INTO public.item VALUES (1, 'a')")
        await followed.execute("ALTER TABLE public.item RENAME TO thing")
        await followed.execute("INSERT INTO public.thing VALUES (2, 'b')")
        await followed.execute('ALTER TABLE public.thing ADD COLUMN "schema" text; INSERT INTO public.thing VALUES (3)')
        await eventually(arrived)

    assert [record["op"] for record in records] == ["schema", "insert", "schema", "insert", "schema", "insert"]
    assert records[0]["key"] is None
    assert records[0]["before"] is None
    assert records[0]["after"] == {"command": "CREATE TABLE", **item(ID, NOTE)}
    assert records[2]["before"] == item(ID, NOTE)
    assert records[2]["after"] == {"command": "ALTER TABLE", **item(ID, NOTE, table="thing")}
    assert {record["table"] for record in records[2:]} == {"thing"}
    assert records[5]["key"] == {"id": 3}


@pytest.mark.parametrize("before", ["full", "none"])
async def test_a_schema_record_of_a_table_whose_key_is_named_as_a_member_of_it(
    followed: Connection, database: Database, tmp_path: Path, before: str
) -> None:
    async with session(database.superuser_url, purpose="tests") as root:
        await migrate(root, settings_of({"match": "public.*", "before": before}, schema_events=True))
    await followed.execute('CREATE TABLE public.odd ("schema" text, "table" text, PRIMARY KEY ("schema", "table"))')
    await followed.execute("INSERT INTO public.odd VALUES ('a', 'b'); ALTER TABLE public.odd ADD COLUMN x integer")
    path = tmp_path / "changes"

    async def arrived() -> bool:
        return path.exists() and len(path.read_text().splitlines()) == 4

    async with listening(database.url, f"file:{path}"):
        await eventually(arrived)
    of_odd = [record for record in map(json.loads, path.read_text().splitlines()) if record["table"] == "odd"]
    assert [(record["op"], record["key"]) for record in of_odd] == [
        ("schema", None),
        ("insert", {"schema": "a", "table": "b"}),
        ("schema", None),
    ]
    assert of_odd[2]["before"] == {key: of_odd[0]["after"][key] for key in ("schema", "table", "columns")}


async def test_a_rename_shows_in_the_records_at_once(owner: Connection, database: Database, tmp_path: Path) -> None:
    await owner.execute(f"{ITEM}; CREATE SCHEMA shop")
    await owner.execute(
        "CREATE TABLE public.log (day integer PRIMARY KEY) PARTITION BY LIST (day);"
        "CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES IN (1)"
    )
    await look(owner, OFF)
    path = tmp_path / "changes"
    changes = [
        ("INSERT INTO public.item VALUES (1)", ("public", "item", None)),
        ("ALTER TABLE public.item RENAME TO thing; INSERT INTO public.thing VALUES (2)", ("public", "thing", None)),
        ("ALTER TABLE public.thing SET SCHEMA shop; INSERT INTO shop.thing VALUES (3)", ("shop", "thing", None)),
        ("ALTER SCHEMA shop RENAME TO store; INSERT INTO store.thing VALUES (4)", ("store", "thing", None)),
        ("INSERT INTO public.log VALUES (1)", ("public", "log", "log_1")),
        ("ALTER TABLE public.log_1 RENAME TO first; DELETE FROM public.log", ("public", "log", "first")),
        ("ALTER TABLE public.log RENAME TO logs; INSERT INTO public.logs VALUES (1)", ("public", "logs", "first")),
    ]
    async with listening(database.url, f"file:{path}") as service:
        await leads(service)
        for number, (statement, _) in enumerate(changes, start=1):
            await owner.execute(statement)

            async def arrived(number: int = number) -> bool:
                return path.exists() and len(path.read_text().splitlines()) == number

            await eventually(arrived)
    records = map(json.loads, path.read_text().splitlines())
    assert [(record["schema"], record["table"], record.get("partition")) for record in records] == [
        names for _, names in changes
    ]
