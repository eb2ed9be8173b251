from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from forwarder.database.queries import query
from forwarder.database.sessions import session
from forwarder.errors import Refused, Unavailable
from forwarder.events import NO_DATA, Event
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.outbox.event_reader import fetch_rows
from forwarder.outbox.position import Position, Snapshot
from forwarder.outbox.registry import Registry
from forwarder.store.positions import Positions
from tests.capture import capture
from tests.databases import MIGRATED_TEMPLATE, Database, connected, copy_of
from tests.reading import Reader
from tests.settings import HOSTILE, set_for_database

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

BEGINNING = Position(delivered=Snapshot(1, 1), floor_seq=0)


@pytest.fixture
async def reader(database: Database) -> AsyncIterator[Connection]:
    """A session with the settings of the listener's."""
    async with session(database.url, purpose="reader") as connection:
        yield connection


@pytest.fixture
async def item(connection: Connection) -> int:
    """A captured table, empty, as a writer of the application sees it."""
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY, name text)")
    return await capture(connection, "public.item")


@pytest.fixture
async def writers(database: Database) -> AsyncIterator[Sequence[Connection]]:
    """Two sessions of the application."""
    sessions = [await asyncpg.connect(database.writer_url) for _ in range(2)]
    yield sessions
    for writer in sessions:
        await writer.close()


def outbox_of(
    reader: Connection, *, position: Position = BEGINNING, page_rows: int = 1000, page_bytes: int = 1 << 20
) -> Reader:
    return Reader(reader, position=position, registry=Registry(), page_rows=page_rows, page_bytes=page_bytes)


async def drain(outbox: Reader) -> list[Event]:
    events: list[Event] = []
    while True:
        page = await outbox.read()
        events += page.events
        if not page.more:
            return events


def ids(events: Sequence[Event]) -> list[int]:
    return [json.loads(event.key or "{}").get("id", 0) for event in events]


def names(events: Sequence[Event]) -> list[Any]:
    return [event.after and json.loads(event.after)["name"] for event in events]


async def insert(writer: Connection, *keys: int) -> None:
    await writer.executemany("INSERT INTO item VALUES ($1, 'new')", [(key,) for key in keys])


# What a change looks like.


async def test_every_operation_is_read_with_its_images(
    reader: Connection, writers: Sequence[Connection], item: int
) -> None:
    writer = writers[0]
    await writer.execute("INSERT INTO item VALUES (1, 'pen')")
    await writer.execute("UPDATE item SET name = 'ink'")
    await writer.execute("DELETE FROM item")
    await writer.execute("TRUNCATE item")

    events = await drain(outbox_of(reader))

    assert [(event.op, event.before, event.after, event.key) for event in events] == [
        (b"I", None, '{"id":1,"name":"pen"}', '{"id":1}'),
        (b"U", '{"id":1,"name":"pen"}', '{"id":1,"name":"ink"}', '{"id":1}'),
        (b"D", '{"id":1,"name":"ink"}', None, '{"id":1}'),
        (b"T", None, None, None),
    ]
    assert {(event.table.id, event.table.schema, event.table.name) for event in events} == {(item, "public", "item")}


async def test_the_time_of_a_change_counts_from_2000(reader: Connection, connection: Connection, item: int) -> None:
    await insert(connection, 1)
    now = await connection.fetchval(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 946684800000000"
    )

    (event,) = await drain(outbox_of(reader))

    assert 0 <= now - event.at < 60_000_000


async def test_a_row_that_cannot_become_json_is_read_without_images(reader: Connection, connection: Connection) -> None:
    await connection.execute(
        "CREATE TYPE odd AS ENUM ('a');"
        "CREATE FUNCTION odd_to_json(odd) RETURNS json LANGUAGE plpgsql AS $$BEGIN RAISE division_by_zero; END$$;"
        "CREATE CAST (odd AS json) WITH FUNCTION odd_to_json(odd);"
        "CREATE TABLE strange (id int PRIMARY KEY, value odd)"
    )
    await capture(connection, "strange")
    await connection.execute("INSERT INTO strange VALUES (1, 'a')")

    (event,) = await drain(outbox_of(reader))

    assert (event.before, event.after, event.key, event.fault) == (None, None, None, "22012")


@pytest.mark.parametrize("document", ['"\\ud800"', "[" * 3000 + "]" * 3000, '{\n"a" : 1.0}'])
async def test_a_json_document_that_other_parsers_refuse_is_read_with_its_key(
    reader: Connection, connection: Connection, document: str
) -> None:
    await connection.execute("CREATE TABLE document (body json, id int PRIMARY KEY)")
    await capture(connection, "document")
    await connection.execute("INSERT INTO document VALUES ($1, 7)", document)

    (event,) = await drain(outbox_of(reader))

    assert (event.key, event.key_values) == ('{"id":7}', "7")
    assert event.after == f'{{"body":{document},"id":7}}'


async def test_odd_names_are_read_exactly(reader: Connection, connection: Connection) -> None:
    await connection.execute(
        'CREATE SCHEMA "Größe ""x"".y"; CREATE TABLE "Größe ""x"".y"."a.b" ("k""\\\n1" text, "k.2" int, PRIMARY KEY ("k.2", "k""\\\n1"))'
    )
    await capture(connection, '"Größe ""x"".y"."a.b"')
    await connection.execute('INSERT INTO "Größe ""x"".y"."a.b" VALUES ($1, 2)', 'v"\n\\')

    (event,) = await drain(outbox_of(reader))

    assert (event.table.schema, event.table.name) == ('Größe "x".y', "a.b")
    assert list(json.loads(event.key or "").items()) == [("k.2", 2), ('k"\\\n1', 'v"\n\\')]


async def test_a_change_of_a_partition_names_the_table_and_the_partition(
    reader: Connection, connection: Connection
) -> None:
    await connection.execute(
        "CREATE TABLE sale (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);"
        "CREATE TABLE sale_low PARTITION OF sale FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE sale_high PARTITION OF sale FOR VALUES FROM (10) TO (20)"
    )
    await capture(connection, "sale")
    await connection.execute("INSERT INTO sale VALUES (1, 'a'), (11, 'b')")
    await connection.execute("UPDATE sale SET id = 12 WHERE id = 1")

    events = await drain(outbox_of(reader))

    assert {event.table.name for event in events} == {"sale"}
    assert [(event.op, event.partition) for event in events] == [
        (b"I", "sale_low"),
        (b"I", "sale_high"),
        (b"D", "sale_low"),
        (b"I", "sale_high"),
    ]


async def test_a_change_of_a_partition_that_was_dropped_is_read(reader: Connection, connection: Connection) -> None:
    await connection.execute(
        "CREATE TABLE sale (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE sale_low PARTITION OF sale FOR VALUES FROM (0) TO (10)"
    )
    await capture(connection, "sale")
    await connection.execute("INSERT INTO sale VALUES (1)")
    await connection.execute("DROP TABLE sale_low")

    (event,) = await drain(outbox_of(reader))

    assert (event.table.name, event.partition, event.key) == ("sale", None, '{"id":1}')


@pytest.mark.usefixtures("item")
@pytest.mark.parametrize("drop", ["DROP TABLE item", 'DROP TRIGGER "00_forwarder_capture" ON item'])
async def test_a_change_of_a_table_that_is_captured_no_longer_is_read(
    reader: Connection, connection: Connection, drop: str
) -> None:
    await insert(connection, 1)
    await connection.execute(drop)

    (event,) = await drain(outbox_of(reader))

    assert (event.table.schema, event.table.name, event.key) == ("public", "item", '{"id":1}')


@pytest.mark.usefixtures("item")
async def test_a_key_column_renamed_between_capture_and_read_is_found(
    reader: Connection, connection: Connection
) -> None:
    outbox = outbox_of(reader)
    await insert(connection, 1)
    assert ids(await drain(outbox)) == [1]

    await insert(connection, 2)
    await connection.execute("ALTER TABLE item RENAME id TO item_id")
    await insert(connection, 3)

    assert [event.key for event in await drain(outbox)] == ['{"id":2}', '{"item_id":3}']
    assert [event.key for event in await drain(outbox_of(reader))] == ['{"id":1}', '{"id":2}', '{"item_id":3}']


@pytest.mark.usefixtures("item")
async def test_changes_of_a_table_that_are_read_together_have_one_name_although_it_was_renamed_with_its_key_column(
    reader: Connection, connection: Connection
) -> None:
    # More than a page is new: then names are not looked up before it is read.
    outbox = outbox_of(reader, page_rows=2)
    await insert(connection, 1)
    await drain(outbox)

    await insert(connection, 2)
    await connection.execute("ALTER TABLE item RENAME id TO item_id; ALTER TABLE item RENAME TO article")
    await connection.execute("INSERT INTO article VALUES (3), (4)")

    events = (await outbox.read()).events
    assert [(event.key, event.table.name) for event in events] == [
        ('{"id":2}', "article"),
        ('{"item_id":3}', "article"),
    ]


@pytest.mark.usefixtures("item")
async def test_a_renamed_table_is_read_under_its_present_name(reader: Connection, connection: Connection) -> None:
    await insert(connection, 1)
    await connection.execute("ALTER TABLE item RENAME TO article")

    (event,) = await drain(outbox_of(reader))

    assert event.table.name == "article"


@pytest.mark.usefixtures("item")
async def test_a_table_that_is_renamed_meanwhile_has_its_new_name_after_a_look(
    reader: Connection, connection: Connection
) -> None:
    outbox = outbox_of(reader)
    await insert(connection, 1)
    (before,) = await drain(outbox)
    await connection.execute("ALTER TABLE item RENAME TO article; INSERT INTO article VALUES (2)")

    await outbox.look_up_names()

    (after,) = await drain(outbox)
    assert (before.table.name, after.table.name) == ("item", "article")


@pytest.mark.usefixtures("item")
async def test_a_look_at_names_that_are_the_same_makes_no_new_tables(
    reader: Connection, connection: Connection
) -> None:
    outbox = outbox_of(reader)
    await insert(connection, 1)
    (before,) = await drain(outbox)
    await insert(connection, 2)

    await outbox.look_up_names()

    (after,) = await drain(outbox)
    assert after.table is before.table


@pytest.mark.usefixtures("item")
async def test_rows_whose_key_column_was_dropped_have_none_and_those_of_a_renamed_table_have_its_new_name(
    reader: Connection, connection: Connection
) -> None:
    await connection.execute("CREATE TABLE other (id bigint PRIMARY KEY)")
    await capture(connection, "public.other")
    outbox = outbox_of(reader)
    await connection.execute("INSERT INTO other VALUES (1)")
    await insert(connection, 1)
    await drain(outbox)
    await connection.execute("ALTER TABLE item DROP COLUMN id; ALTER TABLE other RENAME TO another")
    await connection.execute("INSERT INTO item DEFAULT VALUES; INSERT INTO another VALUES (2)")

    item, other = await drain(outbox)

    assert (item.key, other.table.name) == (None, "another")


@pytest.mark.usefixtures("item")
async def test_a_change_of_a_table_that_the_registry_has_not_is_refused(
    reader: Connection, connection: Connection
) -> None:
    await insert(connection, 1)
    await connection.execute("DELETE FROM forwarder.captured_table")

    with pytest.raises(Refused, match=r"forwarder\.captured_table does not know"):
        await outbox_of(reader).read()


# Which changes are read, and in which order.


@pytest.mark.usefixtures("item")
async def test_a_change_is_read_once(reader: Connection, connection: Connection) -> None:
    outbox = outbox_of(reader)
    await insert(connection, 1, 2)

    assert ids(await drain(outbox)) == [1, 2]
    assert ids(await drain(outbox)) == []


@pytest.mark.usefixtures("item")
async def test_a_rolled_back_change_is_not_read(reader: Connection, connection: Connection) -> None:
    async with connection.transaction():
        await insert(connection, 1)
        nested = connection.transaction()
        await nested.start()
        await insert(connection, 2)
        await nested.rollback()
    outer = connection.transaction()
    await outer.start()
    await insert(connection, 3)
    await outer.rollback()

    (event,) = await drain(outbox_of(reader))

    assert (event.key, event.index, event.count) == ('{"id":1}', 1, 1)


@pytest.mark.usefixtures("item")
async def test_a_lower_seq_that_commits_late_is_not_passed_over(
    reader: Connection, writers: Sequence[Connection]
) -> None:
    late, prompt = writers
    outbox = outbox_of(reader)
    transaction = late.transaction()
    await transaction.start()
    await insert(late, 1)
    await insert(prompt, 2)
    assert ids(await drain(outbox)) == [2]

    await transaction.commit()

    (event,) = await drain(outbox)
    assert (event.key, event.seq) == ('{"id":1}', 1)


@pytest.mark.usefixtures("item")
async def test_two_changes_of_one_row_are_not_reversed_by_their_transaction_ids(
    reader: Connection, writers: Sequence[Connection]
) -> None:
    early, other = writers
    await insert(other, 1, 2)
    outbox = outbox_of(reader)
    await drain(outbox)
    transaction = early.transaction()
    await transaction.start()
    await early.execute("UPDATE item SET name = 'takes the lower id' WHERE id = 2")
    await other.execute("UPDATE item SET name = 'first' WHERE id = 1")
    await early.execute("UPDATE item SET name = 'second' WHERE id = 1")
    await transaction.commit()

    events = await drain(outbox)

    assert [name for name, key in zip(names(events), ids(events), strict=True) if key == 1] == ["first", "second"]
    assert events[0].txid == events[2].txid < events[1].txid


@pytest.mark.usefixtures("item")
async def test_a_long_transaction_does_not_hold_up_others_and_arrives_when_it_commits(
    reader: Connection, writers: Sequence[Connection]
) -> None:
    long, short = writers
    outbox = outbox_of(reader, page_rows=2)
    transaction = long.transaction()
    await transaction.start()
    await insert(long, 1, 2, 3)
    for first in range(10, 40, 10):
        await insert(short, *range(first, first + 5))
        assert ids(await drain(outbox)) == list(range(first, first + 5))

    await transaction.commit()
    await insert(short, 100)
    events = await drain(outbox)

    assert ids(events) == [1, 2, 3, 100]
    assert [(event.index, event.count) for event in events] == [(1, 3), (2, 3), (3, 3), (1, 1)]


# Large batches.


@pytest.mark.usefixtures("item")
async def test_a_large_batch_is_read_in_pages_each_change_once(
    reader: Connection, writers: Sequence[Connection]
) -> None:
    bulk, interleaved = writers
    transaction = bulk.transaction()
    await transaction.start()
    for start in range(0, 300, 100):
        await bulk.execute("INSERT INTO item SELECT generate_series($1::int, $1::int + 99)", start)
        await insert(interleaved, start + 1000)
    await transaction.commit()
    outbox = outbox_of(reader, page_rows=37)

    pages = []
    while (page := await outbox.read()).more:
        pages.append(page)

    assert max(len(page.events) for page in pages) == 37
    events = [event for page in pages for event in page.events]
    assert sorted(ids(events)) == [*range(300), 1000, 1100, 1200]
    assert [event.seq for event in events] == sorted(event.seq for event in events)
    of_bulk = [(event.index, event.count) for event in events if event.count != 1]
    assert of_bulk == [(index, 300) for index in range(1, 301)]
    assert [(event.index, event.count) for event in events if event.count == 1] == [(1, 1)] * 3


@pytest.mark.usefixtures("item")
async def test_what_is_committed_while_a_batch_is_read_comes_after_it(
    reader: Connection, writers: Sequence[Connection]
) -> None:
    before, during = writers
    transaction = during.transaction()
    await transaction.start()
    await insert(during, 100)
    await insert(before, *range(10))
    outbox = outbox_of(reader, page_rows=3)
    first = await outbox.read()

    await transaction.commit()
    await insert(during, 101)

    assert ids([*first.events, *await drain(outbox)]) == list(range(10))
    assert ids(await drain(outbox)) == [100, 101]


@pytest.mark.usefixtures("item")
async def test_a_restart_in_the_middle_of_a_batch_goes_on_where_it_was(
    reader: Connection, connection: Connection
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(1, 10)")
    before = outbox_of(reader, page_rows=3)
    first, second = await before.read(), await before.read()
    await insert(connection, 11)

    after = outbox_of(reader, position=second.position, page_rows=4)
    events = await drain(after)

    assert ids([*first.events, *second.events]) == [1, 2, 3, 4, 5, 6]
    assert ids(events) == [7, 8, 9, 10]
    assert [(event.index, event.count) for event in events] == [(7, 10), (8, 10), (9, 10), (10, 10)]
    assert ids(await drain(after)) == [11]


@pytest.mark.usefixtures("item")
async def test_a_page_is_bounded_by_bytes_but_has_one_row_at_least(reader: Connection, connection: Connection) -> None:
    for key, size in enumerate([100, 100, 100_000, 100, 100], start=1):
        await connection.execute("INSERT INTO item VALUES ($1, repeat('x', $2))", key, size)
    outbox = outbox_of(reader, page_bytes=500)

    pages = []
    while (page := await outbox.read()).more:
        pages.append(ids(page.events))

    assert pages == [[1, 2], [3], [4, 5]]


@pytest.mark.usefixtures("item")
async def test_a_drain_is_bounded_by_bytes(reader: Connection, connection: Connection) -> None:
    await connection.execute("INSERT INTO item SELECT key, repeat('x', 1000) FROM generate_series(1, 5) AS key")

    small = await outbox_of(reader, page_bytes=2500).read()
    large = await outbox_of(reader, page_bytes=25000).read()

    assert (ids(small.events), small.more) == ([1, 2], True)
    assert (ids(large.events), large.more) == ([1, 2, 3, 4, 5], False)


# What reading costs others.


@pytest.mark.usefixtures("item")
async def test_nothing_holds_back_vacuum_between_pages(
    reader: Connection, connection: Connection, database: Database
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(1, 100)")
    outbox = outbox_of(reader, page_rows=10)
    pid = reader.get_server_pid()
    superuser = await asyncpg.connect(database.superuser_url)
    try:
        for _ in range(3):
            assert (await outbox.read()).more
            held = await superuser.fetchrow(
                "SELECT backend_xmin, backend_xid, state FROM pg_stat_activity WHERE pid = $1", pid
            )
            assert held is not None
            assert tuple(held) == (None, None, "idle")
    finally:
        await superuser.close()


@pytest.mark.usefixtures("item")
async def test_a_lost_connection_is_unavailable_and_skips_nothing(
    reader: Connection, connection: Connection, database: Database
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(1, 10)")
    outbox = outbox_of(reader, page_rows=3)
    first = await outbox.read()
    await connection.execute("SELECT pg_terminate_backend($1)", reader.get_server_pid())

    with pytest.raises(Unavailable):
        await outbox.read()

    async with session(database.url, purpose="reader") as replacement:
        events = await drain(outbox_of(replacement, position=first.position))
    assert ids([*first.events, *events]) == list(range(1, 11))


# Plans, as the listener's own session makes them. Statistics are missing, or as stale as a backlog makes them.

HUNDRED_A_TRANSACTION = """
    INSERT INTO forwarder.outbox (seq, txid, table_id, relation, op, after)
    SELECT seq, ($3::bigint + (seq - $1) / 100)::text::xid8, 1, 1, 'I', '{"id":' || seq || '}'
    FROM generate_series($1::bigint, $1::bigint + $2::bigint - 1) AS seq
"""


# For a test of a database with a backlog.
backlog = pytest.mark.parametrize("database", ["never analysed", "analysed before the backlog"], indirect=True)


class Backlogs:
    """Databases to be copied, each made once: to write 220,000 changes takes longer than all that is asked of them."""

    def __init__(self, postgres: EmbeddedPostgres, stack: AsyncExitStack) -> None:
        self._postgres = postgres
        self._stack = stack
        self._names: dict[str, str] = {}

    async def template(self, statistics: str) -> str:
        if statistics not in self._names:
            database = await self._stack.enter_async_context(copy_of(MIGRATED_TEMPLATE, self._postgres))
            async with connected(database.url) as owner:
                await write_backlog(owner, statistics)
            self._names[statistics] = database.name
        return self._names[statistics]


async def write_backlog(owner: Connection, statistics: str) -> None:
    """20,000 changes of transactions from 1000 on, then 200,000 of transactions from 2000 on, all of which have ended."""
    await owner.execute("DO $$ BEGIN WHILE pg_current_xact_id() < '4200' LOOP COMMIT; END LOOP; END $$")
    await owner.execute("ALTER TABLE forwarder.outbox_0 SET (autovacuum_enabled = off)")
    await owner.execute(HUNDRED_A_TRANSACTION, 1, 20_000, 1000)
    if statistics != "never analysed":
        await owner.execute("ANALYZE forwarder.outbox")
    await owner.execute(HUNDRED_A_TRANSACTION, 20_001, 200_000, 2000)


@pytest.fixture(scope="module")
async def backlogs(postgres: EmbeddedPostgres) -> AsyncIterator[Backlogs]:
    async with AsyncExitStack() as stack:
        yield Backlogs(postgres, stack)


@pytest.fixture
async def database(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, backlogs: Backlogs
) -> AsyncIterator[Database]:
    statistics = getattr(request, "param", None)
    template = await backlogs.template(statistics) if statistics else MIGRATED_TEMPLATE
    async with copy_of(template, postgres) as copy:
        yield copy


# The last parameters of the queries that read images.
LARGE_ONES_STAY = ("1048576", "false")


async def rows_read(reader: Connection, name: str, *parameters: str) -> int:
    """How many rows of the outbox a query touches."""
    parameters += LARGE_ONES_STAY if name in ("drain", "page") else ()
    await reader.execute(f"PREPARE measured AS {query(name)}")
    lines = await reader.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) EXECUTE measured ({', '.join(parameters)})")
    plan = "\n".join(line[0] for line in lines)
    assert "Seq Scan on outbox" not in plan
    scans = re.findall(r"Scan .*on outbox_\d .*\(actual rows=(\d+)\S* loops=(\d+)\)", plan)
    assert scans, plan
    filtered = re.findall(r"Rows Removed by (?:Filter|Index Recheck): (\d+)", plan)
    return sum(int(rows) * int(loops) for rows, loops in scans) + sum(map(int, filtered))


async def blocks_touched(reader: Connection, name: str, *parameters: str) -> int:
    """How many blocks a query looks at, one that it looks at again counted again: rows that nobody can see included."""
    parameters += LARGE_ONES_STAY if name in ("drain", "page") else ()
    await reader.execute(f"PREPARE {name} AS {query(name)}")
    lines = await reader.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name} ({', '.join(parameters)})")
    await reader.execute(f"DEALLOCATE {name}")
    plan = json.loads(lines[0][0])[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@backlog
async def test_a_drain_of_the_tail_reads_what_is_new_and_what_was_running(reader: Connection) -> None:
    # Of the ids that the rows were given, two that no other database of this server has rolled back.
    committed = (
        "SELECT id FROM generate_series(2500, 2600) AS id WHERE pg_xact_status(id::text::xid8) = 'committed' LIMIT 2"
    )
    running = ",".join(str(row[0]) for row in await reader.fetch(committed))

    assert await rows_read(reader, "drain", "'3999'", f"'{{{running}}}'", "219000", "4000", "8388608") == 300


@backlog
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("drain", ("'3999'", "'{3001}'", "219000", "4000", "8388608")),
        ("page", ("'2000'", "'{}'", "0", "4000", "8388608", "'4000:4000:'", "220000", "20000", "220000")),
    ],
)
async def test_what_a_database_sets_for_the_planner_changes_no_plan_of_ours(
    database: Database, reader: Connection, name: str, parameters: Sequence[str]
) -> None:
    expected = await plan_of(reader, name, *parameters)
    await set_for_database(database, HOSTILE)
    async with session(database.url, purpose="reader") as ours:
        assert await plan_of(ours, name, *parameters) == expected
    assert "outbox_0" in expected


async def plan_of(reader: Connection, name: str, *parameters: str) -> str:
    await reader.execute(f"PREPARE measured AS {query(name)}")
    lines = await reader.fetch(f"EXPLAIN EXECUTE measured ({', '.join([*parameters, *LARGE_ONES_STAY])})")
    return "\n".join(line[0] for line in lines)


@backlog
async def test_a_drain_that_finds_too_much_stops_at_a_page(reader: Connection) -> None:
    assert await rows_read(reader, "drain", "'2000'", "'{}'", "20000", "1000", "8388608") < 1100


@backlog
@pytest.mark.parametrize("last_seq", ["0", "120000"])
async def test_a_page_of_a_large_batch_reads_nothing_of_the_rest(reader: Connection, last_seq: str) -> None:
    bounds = ("'2000'", "'{}'", "20000", "1000", "8388608")

    assert await rows_read(reader, "page", *bounds, "'9000:9000:'", "220000", last_seq, "0") < 1100


@backlog
async def test_a_count_reads_the_transactions_of_a_page_only(reader: Connection) -> None:
    assert await rows_read(reader, "count_transactions", "'{2500,2501,2502}'", "70050", "200000") == 300


@backlog
@pytest.mark.parametrize(("most", "read"), [("100000", 500), ("250", 250)])
async def test_a_count_of_runs_reads_the_transactions_of_the_runs_and_no_more_than_it_may(
    reader: Connection, most: str, read: int
) -> None:
    assert await rows_read(reader, "count_runs", "'{2500,2600}'", "'{2502,2601}'", "70050", most) == read


@backlog
async def test_transactions_counted_by_runs_have_the_counts_that_each_has(reader: Connection) -> None:
    up_to_seq = await reader.fetchval("SELECT min(seq) + 40 FROM forwarder.outbox WHERE txid = '2501'")
    each = await reader.fetch(query("count_transactions"), [2500, 2501, 2502, 2600], up_to_seq, 100_000)
    runs = await reader.fetch(query("count_runs"), [2500, 2600], [2502, 2600], up_to_seq, 100_000)

    assert sorted(map(tuple, runs)) == sorted(map(tuple, each))
    assert [tuple(row)[1:] for row in sorted(map(tuple, runs))] == [(100, 100), (100, 41), (100, 0), (100, 0)]


@backlog
async def test_a_part_of_a_count_reads_no_more_than_it_counts(reader: Connection) -> None:
    assert await rows_read(reader, "count_transaction", "'2500'", "70050", "0", "60") == 60


@backlog
async def test_the_last_change_of_a_transaction_is_found_by_a_probe(reader: Connection) -> None:
    assert await rows_read(reader, "last_change", "'2500'") == 1


@pytest.mark.usefixtures("item")
async def test_the_batch_after_a_large_one_begins_without_reading_it_again(
    reader: Connection, connection: Connection, database: Database
) -> None:
    await connection.execute("INSERT INTO item SELECT generate_series(1, 20000)")
    outbox = outbox_of(reader, page_rows=5000)
    await outbox.read()
    await connection.execute("INSERT INTO item SELECT generate_series(20001, 26000)")
    while (page := await outbox.read()).more:
        pass

    position = page.position
    bounds = (f"'{position.delivered.xmax}'", "'{}'", str(position.floor_seq), "5000", "8388608")
    async with session(database.url, purpose="reader") as other:
        assert await rows_read(other, "page", *bounds, "'900000:900000:'", "26000", "0", "0") < 5100
    assert len(await drain(outbox)) == 6000


async def test_the_floor_of_a_saved_position_is_the_newest_seq(
    reader: Connection, connection: Connection, item: int
) -> None:
    await insert(connection, *range(1, 8))
    positions = Positions(reader, sink="default")
    outbox = outbox_of(reader, position=await positions.load())
    page = await outbox.read()

    outbox.floor_seq = await positions.save(page.position)

    assert outbox.floor_seq == 7
    assert (await outbox.read()).position.floor_seq == 7


# The 20,000 rows of a large transaction lie in several hundred blocks.
FEW_BLOCKS = 150


async def write_many_rows(writer: Connection) -> int:
    """Begin a large transaction; its id."""
    await writer.execute("BEGIN; INSERT INTO item2 SELECT generate_series(1, 20000)")
    return int(await writer.fetchval("SELECT pg_current_xact_id()::text"))


async def test_a_look_passes_over_nothing_of_a_transaction_that_is_newer_than_all_that_have_ended(
    reader: Connection, connection: Connection, writers: Sequence[Connection]
) -> None:
    await connection.execute("CREATE TABLE item2 (id bigint PRIMARY KEY)")
    await capture(connection, "item2")
    # One of another database of this server, or of its vacuum, may end meanwhile: then the next one is looked at.
    for _ in range(20):
        position = (await outbox_of(reader).read()).position
        txid = await write_many_rows(writers[0])
        bounds = (f"'{position.delivered.xmax}'", "'{}'", "0", "4000", "8388608")
        touched = await blocks_touched(reader, "drain", *bounds)
        if int(await reader.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")) <= txid:
            break
        await writers[0].execute("ROLLBACK")
    else:
        pytest.fail("something newer has always ended")

    assert touched < FEW_BLOCKS


async def test_a_look_passes_over_nothing_of_a_transaction_that_is_still_running(
    reader: Connection, connection: Connection, writers: Sequence[Connection]
) -> None:
    await connection.execute("CREATE TABLE item2 (id bigint PRIMARY KEY)")
    await capture(connection, "item2")
    running, other = writers
    txid = await write_many_rows(running)
    await other.execute("INSERT INTO item2 VALUES (30000)")

    # Something later has ended, and a snapshot since then says that it was running.
    later = f"'{txid + 2}'"
    assert await blocks_touched(reader, "drain", later, f"'{{{txid}}}'", "0", "4000", "8388608") < FEW_BLOCKS
    batch = f"'{txid}:{txid + 2}:{txid}'"
    page = (later, f"'{{{txid}}}'", "0", "1000", "8388608", batch, "9000", "0", "0")
    assert await blocks_touched(reader, "page", *page) < FEW_BLOCKS


async def test_a_look_passes_over_nothing_of_a_large_transaction_that_was_rolled_back(
    reader: Connection, connection: Connection, writers: Sequence[Connection]
) -> None:
    await connection.execute("CREATE TABLE item2 (id bigint PRIMARY KEY)")
    await capture(connection, "item2")
    running, other = writers
    txid = await write_many_rows(running)
    await other.execute("INSERT INTO item2 VALUES (30000)")
    delivered = (await outbox_of(reader).read()).position.delivered
    await running.execute("ROLLBACK")
    # Those of other databases of this server are among them too.
    assert txid in delivered.running
    bounds = (f"'{delivered.xmax}'", f"'{{{txid}}}'", "20001", "4000", "8388608")

    assert await blocks_touched(reader, "drain", *bounds) < FEW_BLOCKS
    later = str(delivered.xmax + 5)
    assert await blocks_touched(reader, "page", *bounds, f"'{later}:{later}:'", "30000", "0", "0") < FEW_BLOCKS


async def test_a_large_change_that_is_taken_out_while_it_is_read_stays_a_change_and_says_so(
    reader: Connection,
    connection: Connection,
    item: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await connection.execute("INSERT INTO item VALUES (1, repeat('x', 2 << 20)), (2, repeat('x', 2 << 20))")

    async def fetch_and_lose(*parameters: Any) -> Sequence[Any]:
        rows = await fetch_rows(*parameters)
        await connection.execute("DELETE FROM forwarder.outbox WHERE seq = 1")
        return rows

    monkeypatch.setattr("forwarder.outbox.pages.fetch_rows", fetch_and_lose)
    lost, other = await drain(outbox_of(reader, page_bytes=4 << 20))

    assert (lost.seq, lost.key, lost.stored, lost.fault) == (1, None, None, NO_DATA)
    assert (other.key, other.fault) == ('{"id":2}', None)
    assert other.stored
    assert [vars(record)["seq"] for record in caplog.records] == [1]
