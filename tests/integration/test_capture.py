"""The trigger: it never fails a write, and what it captures is what was written, whoever wrote it and however."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import asyncpg
import pytest

from forwarder.capture import plan
from tests.cases import each_value_once
from tests.databases import Database
from tests.migrating import Captured, captured, migrate_tables

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    """The role that owns the tables and migrates."""
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Connection]:
    """A role that may write to the tables and has no grant of ours."""
    session = await asyncpg.connect(database.writer_url)
    yield session
    await session.close()


async def create(owner: Connection, *statements: str, **options: Any) -> None:
    """Run the statements and capture every table that they made."""
    for statement in statements:
        await owner.execute(statement)
    assert not (await migrate_tables(owner, "public.*", **options)).problems


def operations(events: list[Captured]) -> list[tuple[str, str]]:
    return [(event.op, event.table) for event in events]


async def test_a_writer_without_any_grant_of_ours_is_captured(owner: Connection, writer: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id bigint PRIMARY KEY, name text)")
    await writer.execute("INSERT INTO public.item VALUES (1, 'pen'), (2, 'ink')")
    await writer.execute("UPDATE public.item SET name = 'nib' WHERE id = 1")
    await writer.execute("DELETE FROM public.item WHERE id = 2")
    await writer.execute("TRUNCATE public.item")
    pen, ink, nib = {"id": 1, "name": "pen"}, {"id": 2, "name": "ink"}, {"id": 1, "name": "nib"}
    assert [(event.op, event.before, event.after) for event in await captured(owner)] == [
        ("I", None, pen),
        ("I", None, ink),
        ("U", pen, nib),
        ("D", ink, None),
        ("T", None, None),
    ]


async def test_without_a_before_image_an_update_keeps_only_the_new_row(owner: Connection, writer: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id bigint PRIMARY KEY, name text)", before="none")
    await writer.execute("INSERT INTO public.item VALUES (1, 'pen')")
    await writer.execute("UPDATE public.item SET name = 'nib'")
    await writer.execute("DELETE FROM public.item")
    assert [(event.before, event.after) for event in await captured(owner)] == [
        (None, {"id": 1, "name": "pen"}),
        (None, {"id": 1, "name": "nib"}),
        ({"id": 1, "name": "nib"}, None),
    ]


ODD_VALUES = [
    ("bigint", "9223372036854775807", 9223372036854775807),
    ("numeric", "repeat('9', 1000)::numeric", int("9" * 1000)),
    ("numeric", "'1.50'", Decimal("1.50")),
    ("numeric", "'NaN'", "NaN"),
    ("double precision", "'NaN'", "NaN"),
    ("double precision", "'-Infinity'", "-Infinity"),
    ("double precision", "0.1::float8 + 0.2::float8", Decimal("0.30000000000000004")),
    ("date", "'infinity'", "infinity"),
    ("timestamptz", "'-infinity'", "-infinity"),
    ("timestamptz", "'2026-01-02 03:04:05.678901+05:30'", "2026-01-01T21:34:05.678901+00:00"),
    ("interval", "'1 year 2 days 03:04:05.6'", "1 year 2 days 03:04:05.6"),
    ("bytea", r"'\x00ff'", r"\x00ff"),
    ("text[]", "ARRAY['a', NULL, '']", ["a", None, ""]),
    ("integer[]", "'[0:1][1:2]={{1,2},{3,4}}'", [[1, 2], [3, 4]]),
    ("public.point_of_sale", "ROW(1, 'a \"b\"')", {"till": 1, "label": 'a "b"'}),
    ("jsonb", """'{"a": {"b": [1.10, {"c": null}]}}'""", {"a": {"b": [Decimal("1.10"), {"c": None}]}}),
    ("json", """E'{"a":\\n  1}\\n'""", {"a": 1}),
    ("text", r"E'\x01\x1f\b\t\n\r\"\\\u2028'", '\x01\x1f\b\t\n\r"\\\u2028'),
    ("text", "''", ""),
    ("text", "NULL", None),
    ("boolean", "true", True),
    ("tstzrange", "'empty'", "empty"),
    ("uuid", "'00000000-0000-0000-0000-00000000000a'", "00000000-0000-0000-0000-00000000000a"),
]


async def test_odd_values_are_captured_exactly(owner: Connection, writer: Connection) -> None:
    tables = [
        f"CREATE TABLE public.item_{number} (id integer PRIMARY KEY, value {type_name})"
        for number, (type_name, _, _) in enumerate(ODD_VALUES)
    ]
    await create(owner, "CREATE TYPE public.point_of_sale AS (till integer, label text)", *tables)
    for number, (_, sql, _) in enumerate(ODD_VALUES):
        await writer.execute(f"INSERT INTO public.item_{number} VALUES ({number}, {sql})")
    assert [(event.after, event.fault) for event in await captured(owner)] == [
        ({"id": number, "value": expected}, None) for number, (_, _, expected) in enumerate(ODD_VALUES)
    ]


async def test_an_image_does_not_depend_on_the_writers_settings(owner: Connection, writer: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (at timestamptz, day date, span interval, raw bytea, ratio float8, period tstzrange)",
    )
    insert = r"""
        INSERT INTO public.item VALUES
            (timestamptz '2026-01-02 03:04:05+00', '2026-01-02', '1 day 02:03', '\x00ff', 1::float8 / 3,
             tstzrange(timestamptz '2026-01-02 03:04:05+00', NULL))
    """
    await writer.execute(insert)
    for setting in (
        "DateStyle = 'German, DMY'",
        "TimeZone = 'Asia/Kolkata'",
        "bytea_output = 'escape'",
        "extra_float_digits = -5",
        "IntervalStyle = 'sql_standard'",
        "search_path = ''",
    ):
        await writer.execute(f"SET {setting}")
        await writer.execute(insert)
    images = await owner.fetch("SELECT DISTINCT after FROM forwarder.outbox")
    assert len(images) == 1


async def test_a_value_that_cannot_become_json_is_written_and_its_fault_recorded(
    owner: Connection, writer: Connection
) -> None:
    await create(
        owner,
        "CREATE TYPE public.mood AS ENUM ('good', 'bad')",
        "CREATE FUNCTION public.mood_to_json(public.mood) RETURNS json LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'UE001'; END $$",
        "CREATE CAST (public.mood AS json) WITH FUNCTION public.mood_to_json(public.mood)",
        "CREATE TABLE public.item (id integer PRIMARY KEY, mood public.mood)",
    )
    await writer.execute("INSERT INTO public.item VALUES (1, 'bad')")
    assert await owner.fetchval("SELECT count(*) FROM public.item") == 1
    assert await captured(owner) == [Captured("I", "item", None, None, "UE001")]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE public.item RENAME COLUMN id TO item_id",
        "ALTER TABLE public.item RENAME TO thing",
        "ALTER TABLE public.item ADD added text DEFAULT 'x'",
        "ALTER TABLE public.item DROP note",
        "ALTER TABLE public.item DROP CONSTRAINT item_pkey",
        "ALTER TABLE public.item DROP id",
        "ALTER TABLE public.item ALTER id TYPE numeric",
        "ALTER TABLE public.item ADD doubled integer GENERATED ALWAYS AS (id * 2) STORED",
        "ALTER TABLE public.item SET SCHEMA other",
    ],
)
async def test_no_ddl_on_a_captured_table_makes_a_write_fail(owner: Connection, change: str) -> None:
    await create(owner, "CREATE SCHEMA other", "CREATE TABLE public.item (id integer PRIMARY KEY, note text)")
    await owner.execute("INSERT INTO public.item VALUES (1, 'a')")
    await owner.execute(change)
    table = (await captured(owner))[0].table
    await owner.execute(f"INSERT INTO {table} VALUES (2)")
    await owner.execute(f"DELETE FROM {table} WHERE ctid = '(0,1)'")
    events = await captured(owner)
    assert [event.op for event in events] == ["I", "I", "D"]
    assert events[1].after == json.loads(
        await owner.fetchval(f"SELECT row_to_json({table.split('.')[-1]}) FROM {table}")
    )


async def test_generated_columns_are_captured_with_their_values(owner: Connection, writer: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (id integer GENERATED ALWAYS AS IDENTITY, net integer,"
        " gross integer GENERATED ALWAYS AS (net * 2) STORED)",
    )
    await writer.execute("INSERT INTO public.item (net) VALUES (21)")
    await writer.execute("UPDATE public.item SET net = 4")
    assert [event.after for event in await captured(owner)] == [
        {"id": 1, "net": 21, "gross": 42},
        {"id": 1, "net": 4, "gross": 8},
    ]


PARTITIONED = (
    "CREATE TABLE public.sale (id integer, region text, PRIMARY KEY (id, region)) PARTITION BY LIST (region)",
    "CREATE TABLE public.sale_eu PARTITION OF public.sale FOR VALUES IN ('eu') PARTITION BY RANGE (id)",
    "CREATE TABLE public.sale_eu_low PARTITION OF public.sale_eu FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE public.sale_us PARTITION OF public.sale FOR VALUES IN ('us')",
)


async def test_writes_to_partitions_are_captured_whichever_table_they_name(
    owner: Connection, writer: Connection
) -> None:
    await create(owner, *PARTITIONED)
    await writer.execute("INSERT INTO public.sale VALUES (1, 'eu')")
    await writer.execute("INSERT INTO public.sale_us VALUES (2, 'us')")
    await writer.execute("DELETE FROM public.sale_eu")
    assert operations(await captured(owner)) == [("I", "sale_eu_low"), ("I", "sale_us"), ("D", "sale_eu_low")]
    assert await owner.fetchval("SELECT count(DISTINCT table_id) FROM forwarder.outbox") == 1


async def test_an_update_that_moves_a_row_to_another_partition_is_captured_as_both(
    owner: Connection, writer: Connection
) -> None:
    await create(owner, *PARTITIONED)
    await writer.execute("INSERT INTO public.sale VALUES (1, 'eu')")
    await writer.execute("UPDATE public.sale SET region = 'us'")
    assert operations(await captured(owner))[1:] == [("D", "sale_eu_low"), ("I", "sale_us")]


async def test_a_truncated_partition_is_captured(owner: Connection, writer: Connection) -> None:
    await create(owner, *PARTITIONED)
    await writer.execute("TRUNCATE public.sale_us")
    assert operations(await captured(owner)) == [("T", "sale_us")]


async def test_truncating_a_partitioned_table_is_captured_for_it_first(owner: Connection, writer: Connection) -> None:
    await create(owner, *PARTITIONED)
    await writer.execute("TRUNCATE public.sale")
    first, *rest = operations(await captured(owner))
    assert first == ("T", "sale")
    assert sorted(rest) == [("T", "sale_eu_low"), ("T", "sale_us")]


async def test_a_partition_attached_later_is_captured_and_a_detached_one_no_more(owner: Connection) -> None:
    await create(owner, *PARTITIONED)
    await owner.execute("CREATE TABLE public.sale_asia (id integer NOT NULL, region text NOT NULL)")
    await owner.execute("ALTER TABLE public.sale ATTACH PARTITION public.sale_asia FOR VALUES IN ('asia')")
    await owner.execute("INSERT INTO public.sale VALUES (1, 'asia')")
    await owner.execute("ALTER TABLE public.sale DETACH PARTITION public.sale_us")
    await owner.execute("INSERT INTO public.sale_us VALUES (2, 'us')")
    assert operations(await captured(owner)) == [("I", "sale_asia")]


async def test_on_conflict_is_captured_as_what_it_did(owner: Connection, writer: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, name text)")
    upsert = "INSERT INTO public.item VALUES (1, $1) ON CONFLICT (id)"
    await writer.execute(f"{upsert} DO UPDATE SET name = excluded.name", "a")
    await writer.execute(f"{upsert} DO UPDATE SET name = excluded.name", "b")
    await writer.execute(f"{upsert} DO NOTHING", "c")
    assert [(event.op, event.after["name"]) for event in await captured(owner)] == [("I", "a"), ("U", "b")]


async def test_merge_is_captured_as_what_it_did(owner: Connection, writer: Connection) -> None:
    if owner.get_server_version().major < 15:
        pytest.skip("MERGE came with PostgreSQL 15")
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, name text)")
    await writer.execute("INSERT INTO public.item VALUES (1, 'a'), (2, 'b')")
    await writer.execute(
        "MERGE INTO public.item USING (VALUES (1, 'x'), (2, NULL), (3, 'c')) AS source (id, name) ON item.id = source.id"
        " WHEN MATCHED AND source.name IS NULL THEN DELETE"
        " WHEN MATCHED THEN UPDATE SET name = source.name"
        " WHEN NOT MATCHED THEN INSERT VALUES (source.id, source.name)"
    )
    assert sorted(event.op for event in (await captured(owner))[2:]) == ["D", "I", "U"]


KEYED = {
    "first column": "CREATE TABLE public.item (id integer PRIMARY KEY, note text)",
    "last column": "CREATE TABLE public.item (note text, id integer PRIMARY KEY)",
    "two columns": "CREATE TABLE public.item (region text DEFAULT 'a', id integer, note text, PRIMARY KEY (id, region))",
    "behind json": 'CREATE TABLE public.item (meta jsonb DEFAULT \'{"x":1,"id":2}\', id integer PRIMARY KEY, note text)',
    "numeric": "CREATE TABLE public.item (id numeric PRIMARY KEY, note text)",
    "a name of its own": 'CREATE TABLE public.item ("Nümber, ""it""" integer PRIMARY KEY, note text)',
}


@each_value_once(table=KEYED, before=["full", "none"])
async def test_an_update_of_the_key_is_a_delete_and_an_insert_that_name_each_others_key(
    owner: Connection, writer: Connection, table: str, before: str
) -> None:
    await create(owner, table, before=before)
    key = 'Nümber, "it"' if "Nümber" in table else "id"
    quoted = '"' + key.replace('"', '""') + '"'
    await writer.execute(f"INSERT INTO public.item ({quoted}, note) VALUES (1, 'a'), (5, 'b')")
    await writer.execute(f"UPDATE public.item SET note = note || ',\"id\":', {quoted} = {quoted}")
    await writer.execute(f"UPDATE public.item SET {quoted} = 2, note = 'c' WHERE {quoted} = 1")

    first, second, *events = (await captured(owner))[2:]
    assert {first.op, second.op} == {"U"}
    delete, insert = events
    assert (delete.op, insert.op) == ("D", "I")
    assert (delete.before[key], delete.before["note"]) == (1, 'a,"id":')
    assert (insert.after[key], insert.after["note"]) == (2, "c")
    assert {name: delete.after[name] for name in delete.after if name != "region"} == {key: 2}
    assert {name: insert.before[name] for name in insert.before if name != "region"} == {key: 1}


async def test_a_key_column_that_was_renamed_since_is_still_told_to_change(owner: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, note text)")
    await owner.execute("INSERT INTO public.item VALUES (1, 'a')")
    await owner.execute("ALTER TABLE public.item RENAME COLUMN id TO item_id")
    await owner.execute("UPDATE public.item SET note = 'b'")
    await owner.execute("UPDATE public.item SET item_id = 2")
    assert [event.op for event in await captured(owner)] == ["I", "U", "D", "I"]


async def test_a_numeric_key_that_is_written_otherwise_has_not_changed(owner: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id numeric PRIMARY KEY, note text)")
    await owner.execute("INSERT INTO public.item VALUES (1.0, 'a')")
    await owner.execute("UPDATE public.item SET id = 1.00")
    assert [event.op for event in await captured(owner)] == ["I", "U"]


@pytest.mark.long
@pytest.mark.parametrize("before", ["full", "none"])
async def test_a_row_that_is_too_large_to_be_kept_twice_is_written_and_its_fault_recorded(
    owner: Connection, writer: Connection, before: str
) -> None:
    """Both images together are above 1 GB, which no row of the outbox can hold."""
    await create(owner, "CREATE TABLE public.blob (id integer PRIMARY KEY, n integer, data bytea)", before=before)
    await owner.execute("ALTER TABLE public.blob ALTER data SET STORAGE EXTERNAL")
    await writer.execute(
        r"INSERT INTO public.blob VALUES (1, 1, convert_to(repeat('x', 280000000), 'UTF8'))", timeout=60
    )
    await writer.execute("UPDATE public.blob SET n = 2", timeout=60)
    await writer.execute("UPDATE public.blob SET id = 2", timeout=60)
    await writer.execute("DELETE FROM public.blob", timeout=60)
    assert [(event.op, event.before, event.after, event.fault) for event in await captured(owner)] == [
        ("I", None, None, "54000"),
        ("U", None, None, "54000"),
        ("U", None, None, "54000"),
        ("D", None, None, "54000"),
    ]


async def test_what_is_left_out_is_told_by_both_images_and_what_they_take_as_json(
    owner: Connection, writer: Connection
) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, note text)")
    await owner.execute("SELECT forwarder.limit_images(100000)")
    await writer.execute("INSERT INTO public.item VALUES (1, repeat('x', 60000)), (2, repeat('x', 40000))")
    await writer.execute("UPDATE public.item SET note = note || 'y'")
    # Compressed, a row is small until it becomes JSON, where each of these characters takes six.
    await writer.execute("INSERT INTO public.item VALUES (3, repeat(chr(1), 20000))")
    faults = [(event.op, event.fault) for event in await captured(owner)]
    assert faults == [("I", None), ("I", None), ("U", "54000"), ("U", None), ("I", "54000")]


async def test_copy_is_captured(owner: Connection, writer: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY)")
    await writer.copy_records_to_table("item", schema_name="public", records=[(number,) for number in range(100)])
    assert [event.after["id"] for event in await captured(owner)] == list(range(100))


async def test_what_foreign_keys_cascade_to_is_captured(owner: Connection, writer: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.customer (id integer PRIMARY KEY)",
        "CREATE TABLE public.orders (id integer, customer integer REFERENCES public.customer ON UPDATE CASCADE ON DELETE CASCADE)",
    )
    await writer.execute("INSERT INTO public.customer VALUES (1)")
    await writer.execute("INSERT INTO public.orders VALUES (7, 1)")
    await writer.execute("UPDATE public.customer SET id = 2")
    await writer.execute("DELETE FROM public.customer")
    events = await captured(owner)
    assert operations(events) == [
        ("I", "customer"),
        ("I", "orders"),
        ("D", "customer"),
        ("I", "customer"),
        ("U", "orders"),
        ("D", "customer"),
        ("D", "orders"),
    ]
    assert events[4].after == {"id": 7, "customer": 2}


async def test_truncate_cascade_is_captured_for_each_table(owner: Connection, writer: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.customer (id integer PRIMARY KEY)",
        "CREATE TABLE public.orders (id integer, customer integer REFERENCES public.customer)",
    )
    await writer.execute("TRUNCATE public.customer CASCADE")
    assert sorted(operations(await captured(owner))) == [("T", "customer"), ("T", "orders")]


async def test_a_row_that_the_applications_own_trigger_changes_again_keeps_its_order(
    owner: Connection, writer: Connection
) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (id integer PRIMARY KEY, version integer)",
        "CREATE FUNCTION public.again() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE public.item SET version = version + 1 WHERE id = NEW.id; RETURN NULL; END $$",
        'CREATE TRIGGER "0_first" AFTER INSERT ON public.item FOR EACH ROW EXECUTE FUNCTION public.again()',
    )
    await writer.execute("INSERT INTO public.item VALUES (1, 1)")
    assert [(event.op, event.after["version"]) for event in await captured(owner)] == [("I", 1), ("U", 2)]


async def test_a_truncate_of_a_table_that_was_a_partition_is_none_of_its_parent(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.log (day integer PRIMARY KEY) PARTITION BY LIST (day)",
        "CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES IN (1)",
        "CREATE TABLE public.log_2 PARTITION OF public.log FOR VALUES IN (2)",
    )
    await owner.execute("ALTER TABLE public.log DETACH PARTITION public.log_1")
    await owner.execute("TRUNCATE public.log_1")
    await owner.execute("TRUNCATE public.log_2")
    assert operations(await captured(owner)) == [("T", "log_2")]


LOG = (
    "CREATE TABLE public.log (day integer PRIMARY KEY) PARTITION BY LIST (day)",
    "CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES IN (1)",
)
DETACH = "ALTER TABLE public.log DETACH PARTITION public.log_1"
ATTACH = "ALTER TABLE public.log ATTACH PARTITION public.log_1 FOR VALUES IN (1)"
OTHER = "CREATE TABLE public.other (day integer PRIMARY KEY) PARTITION BY LIST (day)"
ATTACH_TO_OTHER = "ALTER TABLE public.other ATTACH PARTITION public.log_1 FOR VALUES IN (1)"


# What is done to the partition before the transaction begins, what behind its back, and whether the truncate is told.
HISTORIES: dict[str, tuple[list[str], list[str], bool]] = {
    "is": ([], [], True),
    "is no longer": ([], [DETACH], False),
    "was": ([DETACH], [], False),
    "is again": ([DETACH], [ATTACH], True),
    "is anew": ([], [DETACH, ATTACH], True),
    "was, and is another's": ([DETACH, OTHER, ATTACH_TO_OTHER], [], False),
    "was, and becomes another's": ([DETACH, OTHER], [ATTACH_TO_OTHER], False),
}


@each_value_once(history=HISTORIES, isolation=["read_committed", "repeatable_read", "serializable"])
async def test_a_truncate_is_told_of_what_a_table_is_now_and_not_of_what_a_snapshot_sees(
    owner: Connection,
    writer: Connection,
    isolation: Literal["read_committed", "repeatable_read", "serializable"],
    history: tuple[list[str], list[str], bool],
) -> None:
    before, meanwhile, told = history
    await create(owner, *LOG)
    for statement in before:
        await owner.execute(statement)
    async with writer.transaction(isolation=isolation):
        await writer.fetchval("SELECT count(*) FROM pg_trigger")
        for statement in meanwhile:
            await owner.execute(statement)
        await writer.execute("TRUNCATE public.log_1")
    assert operations(await captured(owner)) == [("T", "log_1")] * told


async def test_a_truncate_is_captured_whatever_the_triggers_are_called(owner: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY)")
    await owner.execute('ALTER TRIGGER "00_forwarder_capture" ON public.item RENAME TO mine')
    await owner.execute("INSERT INTO public.item VALUES (1)")
    await owner.execute("TRUNCATE public.item")
    assert operations(await captured(owner)) == [("I", "item"), ("T", "item")]


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_truncate_whose_snapshot_is_older_than_capture_is_told(
    owner: Connection, writer: Connection, isolation: Literal["repeatable_read", "serializable"]
) -> None:
    await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY)")
    for statement in LOG:
        await owner.execute(statement)
    async with writer.transaction(isolation=isolation):
        await writer.fetchval("SELECT count(*) FROM pg_trigger")
        await migrate_tables(owner, "item", "log")
        await owner.execute("INSERT INTO public.item VALUES (1)")
        await writer.execute("TRUNCATE public.item")
        await writer.execute("TRUNCATE public.log_1")
    assert operations(await captured(owner)) == [("I", "item"), ("T", "item"), ("T", "log_1")]


async def test_a_virtual_column_is_null_and_warned_of(owner: Connection, writer: Connection) -> None:
    if owner.get_server_version().major < 18:
        pytest.skip("virtual generated columns are new in PostgreSQL 18")
    await create(
        owner,
        "CREATE TABLE public.item (id integer PRIMARY KEY, stored integer GENERATED ALWAYS AS (2 * id) STORED,"
        " virtual integer GENERATED ALWAYS AS (3 * id) VIRTUAL)",
    )
    await writer.execute("INSERT INTO public.item VALUES (1)")
    assert [event.after for event in await captured(owner)] == [{"id": 1, "stored": 2, "virtual": None}]
    assert (await plan.from_selection(owner, [])).warnings[-1] == (
        "virtual generated columns are null in every record of public.item (virtual): declare them STORED, or compute them where they"
        " are read"
    )


async def test_what_is_rolled_back_leaves_nothing(owner: Connection, writer: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY)")
    async with writer.transaction():
        await writer.execute("INSERT INTO public.item VALUES (1)")
        await writer.execute("SAVEPOINT here; INSERT INTO public.item VALUES (2); ROLLBACK TO here")
        await writer.execute("INSERT INTO public.item VALUES (3)")
    await writer.execute("BEGIN; INSERT INTO public.item VALUES (4); ROLLBACK")
    assert [event.after["id"] for event in await captured(owner)] == [1, 3]
