"""What a transaction says of itself, by the setting ``forwarder.context``, is in each of its records, and in no other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from forwarder.database.sessions import session
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.outbox.registry import Registry
from tests.cases import some
from tests.databases import Database, connected, encoded
from tests.migrating import migrate_tables
from tests.reading import BEGINNING, Reader, lines, records

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ITEM = "CREATE TABLE public.item (id bigint PRIMARY KEY, name text)"
SET = "SELECT set_config('forwarder.context', $1, true)"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates; public.item is captured."""
    async with connected(database.url) as session:
        await create(session, ITEM)
        yield session


@pytest.fixture
async def writer(owner: Connection, database: Database) -> AsyncIterator[Connection]:
    """A role that may write to the tables and has no grant of ours."""
    async with connected(database.writer_url) as session:
        yield session


async def create(owner: Connection, *statements: str) -> None:
    for statement in statements:
        await owner.execute(statement)
    assert not (await migrate_tables(owner, "public.*")).problems


async def contexts(database: Database, **options: Any) -> Sequence[Any]:
    """The context of each record; None: it has none."""
    return [record.get("context") for record in await records(database.url, **options)]


@pytest.mark.parametrize("page_rows", [1000, 2], ids=["a batch", "pages"])
async def test_each_record_of_a_transaction_has_its_context_and_none_of_the_next(
    writer: Connection, database: Database, page_rows: int
) -> None:
    await writer.execute("INSERT INTO item VALUES (0)")
    async with writer.transaction():
        await writer.execute(SET, '{"user":"ada"}')
        await writer.execute("INSERT INTO item VALUES (1), (2)")
        await writer.execute("UPDATE item SET name = 'pen' WHERE id = 1")
        await writer.execute("DELETE FROM item WHERE id = 2")
    await writer.execute("INSERT INTO item VALUES (3)")
    assert await contexts(database, page_rows=page_rows) == [None, *4 * [{"user": "ada"}], None]


async def write(writer: Connection, context: str, statement: str = "INSERT INTO item VALUES (1)") -> None:
    async with writer.transaction():
        await writer.execute(SET, context)
        await writer.execute(statement)


IN_JSON = (
    '{"user":"ada","request":"r-1"}',
    '{"price":1.10,"large":123456789012345678901234567890,"wide":1e999}',
    '{"a":1,"a":2}',
    r"""{"path":"C:\\tmp","nul":"\u0000","text":"O'Neil said \"no\""}""",
    ' [ "é", "\N{MUSICAL SYMBOL G CLEF}", null, true, -0 ] ',
    '"a string"',
    "42",
    "1" * 5000,
)


async def test_a_context_in_json_is_passed_on_to_the_letter(writer: Connection, database: Database) -> None:
    for number, context in enumerate(IN_JSON):
        await write(writer, context, f"INSERT INTO item VALUES ({number})")
    found = await lines(database.url)
    for number, (line, context) in enumerate(zip(found, IN_JSON, strict=True)):
        assert line.endswith(f'"after":{{"id":{number},"name":null}},"context":{context}}}')


NO_JSON = (
    "ada",
    "user=ada, request=1",
    '{"user":"ada"',
    "{'user': 'ada'}",
    '{"user":"ada"} {}',
    '{"user":NaN}',
    r'{"user":"\ud800"}',
    'two\nlines and a \t"tab"',
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    " ",
    "[" * 50_000,
    "x" * 65536,
)


async def test_a_context_that_is_no_json_becomes_a_string(writer: Connection, database: Database) -> None:
    for number, context in enumerate(NO_JSON):
        await write(writer, context, f"INSERT INTO item VALUES ({number})")
    found = await lines(database.url)
    assert [json.loads(line)["context"] for line in found] == [*NO_JSON]
    assert not any("\n" in line for line in found)


async def test_line_breaks_in_a_context_are_spaces_in_its_record(writer: Connection, database: Database) -> None:
    await write(writer, '{\n"user":\r\n"ada"\n}')
    [line] = await lines(database.url)
    assert line.endswith('"context":{ "user":  "ada" }}')


async def test_an_empty_context_is_none(writer: Connection, database: Database) -> None:
    await write(writer, "")
    await write(writer, '{"user":"ada"}', "INSERT INTO item VALUES (2)")
    # PostgreSQL leaves a setting empty that a transaction had set first.
    assert await writer.fetchval("SELECT current_setting('forwarder.context')") == ""
    await writer.execute("INSERT INTO item VALUES (3)")
    assert ["context" in record for record in await records(database.url)] == [False, True, False]


@pytest.mark.parametrize("size", some(65537, 1 << 20, of=[65537, 1 << 20, 100 << 20]))
async def test_a_context_above_64_kib_is_left_out_and_the_record_says_so(
    writer: Connection, database: Database, size: int
) -> None:
    async with writer.transaction():
        await writer.execute("SELECT set_config('forwarder.context', repeat('x', $1), true)", size)
        await writer.execute("INSERT INTO item VALUES (1), (2)")
    for record in await records(database.url):
        assert "context" not in record
        assert record["omitted"] == ["context"]
        assert record["after"]


async def test_a_savepoint_that_is_rolled_back_takes_its_context_along(writer: Connection, database: Database) -> None:
    async with writer.transaction():
        await writer.execute(SET, '"outside"')
        await writer.execute("INSERT INTO item VALUES (1)")
        await writer.execute("SAVEPOINT inside")
        await writer.execute(SET, '"inside"')
        await writer.execute("INSERT INTO item VALUES (2)")
        await writer.execute("ROLLBACK TO inside")
        await writer.execute("INSERT INTO item VALUES (3)")
        await writer.execute("SAVEPOINT again")
        await writer.execute(SET, '"kept"')
        await writer.execute("RELEASE again")
        await writer.execute("INSERT INTO item VALUES (4)")
    assert await contexts(database) == ["outside", "outside", "kept"]


async def test_each_change_has_the_context_that_was_set_when_it_was_written(
    writer: Connection, database: Database
) -> None:
    async with writer.transaction():
        for number in range(1, 4):
            await writer.execute("INSERT INTO item VALUES ($1)", number)
            await writer.execute(SET, str(number))
    assert await contexts(database) == [None, 1, 2]


async def test_a_truncate_has_a_context(owner: Connection, database: Database) -> None:
    await write(owner, '{"user":"ada"}', "TRUNCATE item")
    assert [(record["op"], record["context"]) for record in await records(database.url)] == [
        ("truncate", {"user": "ada"})
    ]


async def test_both_records_of_a_changed_key_have_the_context(writer: Connection, database: Database) -> None:
    await writer.execute("INSERT INTO item VALUES (1)")
    await write(writer, '{"user":"ada"}', "UPDATE item SET id = 2")
    assert [(record["op"], record.get("context")) for record in await records(database.url)] == [
        ("insert", None),
        ("delete", {"user": "ada"}),
        ("insert", {"user": "ada"}),
    ]


async def test_a_change_that_a_late_one_puts_behind_itself_keeps_what_was_said_when_it_was_written(
    owner: Connection, writer: Connection, database: Database
) -> None:
    assert not (await migrate_tables(owner, "item", before="changed")).problems
    await writer.execute("INSERT INTO item VALUES (1, '')")
    # Ours fires last: the update that this trigger makes is captured first, and moved when what it follows is captured.
    await owner.execute(
        "CREATE FUNCTION public.inner_update() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE is_set text; BEGIN"
        " is_set := set_config('forwarder.context', '\"inner\"', true);"
        " UPDATE item SET name = 'inner' WHERE id = NEW.id;"
        " is_set := set_config('forwarder.context', '\"outer\"', true); RETURN NULL; END $$;"
        " CREATE TRIGGER \"!\" AFTER UPDATE ON item FOR EACH ROW WHEN (NEW.name = 'outer')"
        " EXECUTE FUNCTION public.inner_update()"
    )
    await writer.execute("UPDATE item SET name = 'outer'")
    written = [
        (record["after"]["name"], record.get("context"), record.get("changed"))
        for record in await records(database.url)
    ]
    assert written == [("", None, None), ("outer", "outer", ["name"]), ("inner", "inner", ["name"])]


async def test_a_context_that_belongs_to_a_role_is_in_all_that_it_writes(owner: Connection, database: Database) -> None:
    async with connected(database.superuser_url) as superuser:
        await superuser.execute(
            f'ALTER ROLE app_writer IN DATABASE {database.name} SET forwarder.context = \'{{"service":"shop"}}\''
        )
    async with connected(database.writer_url) as shop:
        await shop.execute("INSERT INTO item VALUES (1)")
        await write(shop, '{"service":"shop","user":"ada"}', "INSERT INTO item VALUES (2)")
        await shop.execute("INSERT INTO item VALUES (3)")
    assert await contexts(database) == [
        {"service": "shop"},
        {"service": "shop", "user": "ada"},
        {"service": "shop"},
    ]


async def test_a_change_of_before_the_migration_has_no_context(owner: Connection, database: Database) -> None:
    # As an earlier release writes it: it names no such columns, and rows of before have null in them.
    await write(owner, '{"user":"ada"}')
    await owner.execute("UPDATE forwarder.outbox SET context = NULL")
    [record] = await records(database.url)
    assert list(record)[-2:] == ["before", "after"]


EXTRA = '"changed":["status"],"audit":{"user":"ada"}'


async def test_what_a_trigger_has_to_say_beside_the_images_stands_behind_the_context(
    writer: Connection, owner: Connection, database: Database
) -> None:
    await write(writer, '{"user":"ada"}')
    await writer.execute("INSERT INTO item VALUES (2)")
    await owner.execute("UPDATE forwarder.outbox SET extra = $1", EXTRA)
    with_context, without = await lines(database.url)
    assert with_context.endswith(f'"context":{{"user":"ada"}},{EXTRA}}}')
    assert without.endswith(f'"name":null}},{EXTRA}}}')


async def test_both_are_there_after_the_ring_was_laid_out_anew(
    writer: Connection, owner: Connection, database: Database
) -> None:
    await write(writer, '{"user":"ada"}')
    await owner.execute("UPDATE forwarder.outbox SET extra = $1", EXTRA)
    await owner.execute("SELECT forwarder.lay_out(64)")
    await write(writer, '{"user":"bob"}', "INSERT INTO item VALUES (2)")
    before, after = await records(database.url)
    assert (before["context"], before["audit"], after["context"]) == ({"user": "ada"}, {"user": "ada"}, {"user": "bob"})


async def test_a_row_whose_images_stay_in_the_database_has_its_context_and_what_a_trigger_has_to_say(
    writer: Connection, owner: Connection, database: Database
) -> None:
    await write(writer, '{"user":"ada"}', "INSERT INTO item VALUES (1, repeat('x', 2 << 20))")
    await owner.execute("UPDATE forwarder.outbox SET extra = $1", EXTRA)
    async with session(database.url, purpose="test") as connection:
        reader = Reader(connection, position=BEGINNING, registry=Registry(), page_rows=9, page_bytes=1 << 30)
        [event] = (await reader.read()).events
    assert event.stored
    assert (event.after, event.context, event.extra) == (None, '{"user":"ada"}', EXTRA)


async def test_contexts_and_what_triggers_say_count_where_a_page_is_bounded_by_bytes(
    writer: Connection, owner: Connection, database: Database
) -> None:
    await write(writer, '"' + 60_000 * "x" + '"', "INSERT INTO item SELECT generate_series(1, 10)")
    await owner.execute("UPDATE forwarder.outbox SET extra = '\"note\":\"' || repeat('y', 40000) || '\"'")
    async with session(database.url, purpose="test") as connection:
        reader = Reader(connection, position=BEGINNING, registry=Registry(), page_rows=1000, page_bytes=350_000)
        assert [len((await reader.read()).events) for _ in range(4)] == [3, 3, 3, 1]


ILLEGIBLE = "'{\"user\":\"' || chr(233) || '\"}'"


async def test_a_context_that_cannot_become_utf8_is_left_out_and_the_others_of_its_page_are_there(
    postgres: EmbeddedPostgres,
) -> None:
    async with encoded("SQL_ASCII", postgres) as database, connected(database.url) as owner:
        await create(owner, ITEM)
        await write(owner, '{"user":"ada"}')
        async with owner.transaction():
            await owner.execute(f"DO $$BEGIN PERFORM set_config('forwarder.context', {ILLEGIBLE}, true); END$$")
            await owner.execute("INSERT INTO item VALUES (2)")
            await owner.execute("TRUNCATE item")
        await write(owner, '{"user":"bob"}', "TRUNCATE item")
        told = [
            (record["op"], record.get("context"), record.get("omitted"), record["after"])
            for record in await records(database.url)
        ]
    assert told == [
        ("insert", {"user": "ada"}, None, {"id": 1, "name": None}),
        ("insert", None, ["context"], {"id": 2, "name": None}),
        ("truncate", None, ["context"], None),
        ("truncate", {"user": "bob"}, None, None),
    ]


async def test_what_a_trigger_has_to_say_is_left_out_if_it_cannot_become_utf8(postgres: EmbeddedPostgres) -> None:
    async with encoded("SQL_ASCII", postgres) as database, connected(database.url) as owner:
        await create(owner, ITEM)
        await write(owner, '{"user":"ada"}', "INSERT INTO item VALUES (1), (2)")
        await owner.execute("UPDATE forwarder.outbox SET extra = '\"audit\":\"' || chr(233) || '\"' WHERE seq = 1")
        await owner.execute('UPDATE forwarder.outbox SET extra = \'"audit":"e"\' WHERE seq = 2')
        told = [
            (record["context"]["user"], record.get("audit"), record.get("omitted"))
            for record in await records(database.url)
        ]
    assert told == [("ada", None, ["extra"]), ("ada", "e", None)]


async def test_bytes_that_are_no_utf8_in_the_context_of_a_role_do_not_stop_the_page(
    postgres: EmbeddedPostgres, database: Database, owner: Connection
) -> None:
    # ALTER ROLE keeps the bytes of the database that it is said in, for all databases.
    async with connected(postgres.url()) as superuser:
        await superuser.execute("CREATE ROLE café LOGIN IN ROLE app_writer")
    try:
        async with encoded("SQL_ASCII", postgres) as other, connected(other.superuser_url) as superuser:
            await superuser.execute(
                f"DO $$BEGIN EXECUTE format('ALTER ROLE café SET forwarder.context = %L', {ILLEGIBLE}); END$$"
            )
        async with connected(database.url.replace("app_owner", "caf%C3%A9")) as writer:
            await writer.execute("INSERT INTO item VALUES (1)")
            await write(writer, '"legible"', "INSERT INTO item VALUES (2)")
        first, second = await records(database.url)
        assert (first["omitted"], first["after"]["id"], second["context"]) == (["context"], 1, "legible")
    finally:
        async with connected(postgres.url()) as superuser:
            await superuser.execute("DROP ROLE café")
