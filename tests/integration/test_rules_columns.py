"""``columns`` of [[table]]: what is left out, masked, hashed or cut short never reaches the outbox, whatever becomes of the table."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from forwarder.errors import Misconfigured
from tests.cases import each_value_once
from tests.databases import Database, connected, encoded
from tests.dumps import dump, restored
from tests.ruled import MARKER, Change, assert_hidden, changes, create, newest, rule
from tests.settings import HOSTILE

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection
    from forwarder.local.postgres import EmbeddedPostgres

PERSON = "CREATE TABLE public.person (id integer PRIMARY KEY, name text, ssn text)"
# Each hides column ssn.
COVERS: dict[str, dict[str, Any]] = {
    "include": {"include": ["name"]},
    "exclude": {"exclude": ["ssn"]},
    "mask": {"mask": {"ssn": "***"}},
    "hash": {"hash": ["ssn"]},
}
covers = pytest.mark.parametrize("columns", COVERS.values(), ids=COVERS)


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


async def hash_of(owner: Connection, text: str) -> str:
    salt: bytes = await owner.fetchval("SELECT value FROM forwarder.salt")
    return hashlib.sha256(salt + text.encode()).hexdigest()


async def last(owner: Connection) -> Change:
    return (await changes(owner))[-1]


async def test_columns_include(owner: Connection) -> None:
    await create(owner, PERSON, columns={"include": ["name"]})
    await owner.execute(f"INSERT INTO public.person VALUES (1, 'Ada', '{MARKER}')")
    await owner.execute("UPDATE public.person SET name = 'Eve'")
    await owner.execute("DELETE FROM public.person")
    first, second = {"id": 1, "name": "Ada"}, {"id": 1, "name": "Eve"}
    assert await changes(owner) == [
        Change("I", None, first, None, {}),
        Change("U", first, second, None, {}),
        Change("D", second, None, None, {}),
    ]


async def test_columns_exclude(owner: Connection) -> None:
    await create(owner, PERSON, columns={"exclude": ["ssn"]})
    await owner.execute(f"INSERT INTO public.person VALUES (1, 'Ada', '{MARKER}')")
    assert await changes(owner) == [Change("I", None, {"id": 1, "name": "Ada"}, None, {})]


async def test_columns_mask(owner: Connection) -> None:
    """Null stays null."""
    await create(owner, PERSON, columns={"mask": {"ssn": 'a "b" \\ ä'}})
    await owner.execute(f"INSERT INTO public.person VALUES (1, 'Ada', '{MARKER}'), (2, 'Eve', NULL)")
    assert [change.after["ssn"] for change in await changes(owner) if change.after] == ['a "b" \\ ä', None]


async def test_columns_hash_is_salted_sha_256(owner: Connection) -> None:
    await create(owner, PERSON, columns={"hash": ["ssn"]})
    await owner.execute("INSERT INTO public.person VALUES (1, 'Ada', 'é \"'), (2, 'Eve', NULL)")
    hashes = [change.after["ssn"] for change in await changes(owner) if change.after]
    assert hashes == [await hash_of(owner, 'é "'), None]


async def test_columns_truncate_counts_characters(owner: Connection) -> None:
    await create(owner, PERSON, columns={"truncate": {"ssn": 3, "name": 0}})
    await owner.execute("INSERT INTO public.person VALUES (1, 'Ada', 'äöü\"x'), (2, 'Eve', 'é')")
    assert [change.after for change in await changes(owner)] == [
        {"id": 1, "name": "", "ssn": "äöü"},
        {"id": 2, "name": "", "ssn": "é"},
    ]


async def test_a_salt_that_is_rotated_makes_other_hashes(owner: Connection) -> None:
    await create(owner, PERSON, columns={"hash": ["ssn"]})
    for number in (1, 2):
        await owner.execute(f"INSERT INTO public.person VALUES ({number}, 'Ada', 'x')")
        await owner.execute("SELECT forwarder.rotate_salt()")
    first, second = await changes(owner)
    assert first.after
    assert second.after
    assert first.after["ssn"] != second.after["ssn"] != await hash_of(owner, "x")


TYPES = {
    "integer": "12345678",
    "numeric(12,4)": "12345678.5000",
    "double precision": "12345678.5",
    "boolean": "true",
    "bytea": f"'{MARKER}'",
    "jsonb": f'\'{{"a": ["{MARKER}"]}}\'',
    "json": f'\'{{"a": ["{MARKER}", "\\u0041", 1e5]}}\'',
    "text[]": f"ARRAY['{MARKER}']",
    "date": "'1999-12-31'",
    "timestamptz": "'1999-12-31 23:59:59.123456+05'",
    "int4range": "'[1,5)'",
    "inet": "'203.0.113.7'",
    "uuid": "'11111111-2222-4333-8444-555555555555'",
    "public.mood": "'glad'",
    "public.pair": f"ROW(1, '{MARKER}')",
    "public.code": f"'{MARKER}'",
    "public.pair[]": f"ARRAY[ROW(1, '{MARKER}')::public.pair]",
    "char(8)": "'ab'",
    "interval": "'1 year 2 days'",
}


async def test_values_of_every_kind_of_type_are_covered(owner: Connection, database: Database) -> None:
    types = (
        "CREATE TYPE public.mood AS ENUM ('glad')",
        "CREATE TYPE public.pair AS (a integer, b text)",
        "CREATE DOMAIN public.code AS text",
    )
    columns = ", ".join(f"{kind}_{number} {name}" for number, name in enumerate(TYPES) for kind in ("m", "h", "x"))
    names = [[f"{kind}_{number}" for number in range(len(TYPES))] for kind in ("m", "h", "x")]
    await create(
        owner,
        *types,
        f"CREATE TABLE public.item (id integer PRIMARY KEY, {columns})",
        columns={"mask": dict.fromkeys(names[0], "*"), "hash": names[1], "exclude": names[2]},
    )
    values = ", ".join(f"{value}, {value}, {value}" for value in TYPES.values())
    await owner.execute(f"INSERT INTO public.item VALUES (1, {values})")
    await owner.execute("UPDATE public.item SET id = 2")
    await owner.execute("DELETE FROM public.item")
    found = await changes(owner)
    assert [change.op for change in found] == ["I", "D", "I", "D"]
    assert [change.fault for change in found] == [None] * 4
    for image in (found[0].after, found[1].before, found[2].after, found[3].before):
        assert image
        assert image.keys() == {"id", *names[0], *names[1]}
        assert {image[name] for name in names[0]} == {"*"}
        assert all(len(image[name]) == 64 for name in names[1])
    await assert_hidden(database)


async def test_numbers_that_are_equal_have_one_hash(owner: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, n numeric)", columns={"hash": ["n"]})
    await owner.execute("INSERT INTO public.item VALUES (1, 1.0), (2, 1.00), (3, 1), (4, 10)")
    hashes = [change.after["n"] for change in await changes(owner) if change.after]
    assert len(set(hashes)) == 2
    assert hashes[0] == hashes[1] == hashes[2] == await hash_of(owner, "1")


async def test_a_hashed_key_moves_where_the_key_does(owner: Connection, database: Database) -> None:
    await create(owner, "CREATE TABLE public.item (n integer, id text PRIMARY KEY, b jsonb)", columns={"hash": ["id"]})
    await owner.execute(f"INSERT INTO public.item VALUES (1, '{MARKER}', '{{}}')")
    await owner.execute("UPDATE public.item SET n = 2")
    await owner.execute("UPDATE public.item SET id = 'other'")
    await owner.execute("DELETE FROM public.item")
    old, new = await hash_of(owner, MARKER), await hash_of(owner, "other")
    assert [change.short for change in await changes(owner)] == [
        ("I", None, {"id": old, "n": 1, "b": {}}),
        ("U", {"id": old, "n": 1, "b": {}}, {"id": old, "n": 2, "b": {}}),
        ("D", {"id": old, "n": 2, "b": {}}, {"id": new}),
        ("I", {"id": old}, {"id": new, "n": 2, "b": {}}),
        ("D", {"id": new, "n": 2, "b": {}}, None),
    ]
    await assert_hidden(database)


async def test_a_column_that_does_not_exist_is_an_error_with_the_nearest_name(owner: Connection) -> None:
    with pytest.raises(Misconfigured, match="did you mean 'ssn'"):
        await create(owner, PERSON, table="public.person", columns={"mask": {"snn": "*"}})
    assert await owner.fetchval("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.person'::regclass") == 0


WRITERS = {
    "COPY": "COPY",
    "MERGE": (
        f"MERGE INTO public.person USING (SELECT 1 AS i) AS s ON id = i WHEN NOT MATCHED THEN INSERT VALUES (1, 'a', '{MARKER}')"
    ),
    "ON CONFLICT": (
        f"INSERT INTO public.person VALUES (1, 'a', '{MARKER}') ON CONFLICT (id) DO UPDATE SET ssn = excluded.ssn || 'x'"
    ),
    "SELECT": f"INSERT INTO public.person SELECT 1, 'a', '{MARKER}'",
    "WITH": f"WITH new AS (INSERT INTO public.person VALUES (1, 'a', '{MARKER}') RETURNING *) SELECT count(*) FROM new",
}


@each_value_once(columns=COVERS, writer=list(WRITERS))
async def test_whoever_writes_nothing_is_sent_that_is_covered(
    owner: Connection, database: Database, columns: dict[str, Any], writer: str
) -> None:
    if writer == "MERGE" and owner.get_server_version().major < 15:
        pytest.skip("this PostgreSQL has no MERGE")
    await create(owner, PERSON, columns=columns)
    for _ in range(2):
        if writer == "COPY":
            await owner.copy_records_to_table(
                "person", schema_name="public", records=[(1, "a", MARKER), (2, "b", MARKER)]
            )
            await owner.execute("DELETE FROM public.person")
        else:
            await owner.execute(WRITERS[writer] + (" ON CONFLICT DO NOTHING" if writer == "SELECT" else ""))
            if writer == "WITH":
                await owner.execute("DELETE FROM public.person")
    assert all(change.fault is None for change in await changes(owner))
    assert await changes(owner)
    await assert_hidden(database)


async def test_cascades_are_treated_too(owner: Connection, database: Database) -> None:
    await create(
        owner,
        "CREATE TABLE public.parent (id text PRIMARY KEY)",
        "CREATE TABLE public.child (id integer PRIMARY KEY, parent text REFERENCES public.parent ON UPDATE CASCADE ON DELETE CASCADE)",
    )
    await rule(owner, table="public.child", columns={"mask": {"parent": "*"}})
    await rule(owner, table="public.parent", columns={"hash": ["id"]})
    await owner.execute(f"INSERT INTO public.parent VALUES ('{MARKER}')")
    await owner.execute(f"INSERT INTO public.child VALUES (1, '{MARKER}')")
    await owner.execute(f"UPDATE public.parent SET id = 'x{MARKER}'")
    await owner.execute("DELETE FROM public.parent")
    child = {"id": 1, "parent": "*"}
    found = [change.short for change in await changes(owner) if child in change[1:3]]
    assert found == [("I", None, child), ("U", child, child), ("D", child, None)]
    await assert_hidden(database)


PARTITIONS = (
    "CREATE TABLE public.item (id integer, secret text, a text, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
    "CREATE TABLE public.item_1 PARTITION OF public.item FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE public.item_2 (gone text, a text, secret text, id integer NOT NULL)",
    "ALTER TABLE public.item_2 DROP COLUMN gone",
    "ALTER TABLE public.item ATTACH PARTITION public.item_2 FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE public.item_3 PARTITION OF public.item FOR VALUES FROM (20) TO (40) PARTITION BY RANGE (id)",
    "CREATE TABLE public.item_31 (secret text, id integer NOT NULL, a text)",
    "ALTER TABLE public.item_3 ATTACH PARTITION public.item_31 FOR VALUES FROM (20) TO (30)",
)
ITEM_COVERS: dict[str, dict[str, Any]] = {
    "include": {"include": ["a"]},
    "exclude": {"exclude": ["secret"]},
    "mask": {"mask": {"secret": "***"}},
    "hash": {"hash": ["secret"]},
}
item_covers = pytest.mark.parametrize("columns", ITEM_COVERS.values(), ids=ITEM_COVERS)


@item_covers
async def test_partitions_have_the_rules_of_their_table_wherever_their_columns_are(
    owner: Connection, database: Database, columns: dict[str, Any]
) -> None:
    await create(owner, *PARTITIONS, columns=columns)
    # One more that comes later, and another to be attached.
    await owner.execute("CREATE TABLE public.item_32 PARTITION OF public.item_3 FOR VALUES FROM (30) TO (40)")
    await owner.execute("CREATE TABLE public.item_4 (a text, id integer NOT NULL, secret text)")
    await owner.execute("ALTER TABLE public.item ATTACH PARTITION public.item_4 FOR VALUES FROM (40) TO (50)")
    for number in (1, 11, 21, 31, 41):
        await owner.execute(f"INSERT INTO public.item (id, secret, a) VALUES ({number}, '{MARKER}', 'a')")
    await owner.execute("UPDATE public.item SET secret = secret || 'x', a = 'b'")
    await owner.execute("UPDATE public.item SET id = 45 WHERE id = 31")
    await owner.execute("DELETE FROM public.item")
    found = await changes(owner)
    assert len(found) == 17
    for change in found:
        image = change.after or change.before
        assert image
        assert next(iter(image)) == "id"
        assert image["a"] in ("a", "b")
        assert not change.extra
    await assert_hidden(database)


@item_covers
async def test_a_transaction_that_is_older_than_the_rules_has_them_in_partitions_too(
    owner: Connection, database: Database, columns: dict[str, Any]
) -> None:
    for statement in PARTITIONS:
        await owner.execute(statement)
    async with connected(database.url) as writer, writer.transaction(isolation="repeatable_read"):
        await writer.fetchval("SELECT count(*) FROM pg_class")
        await rule(owner, columns=columns)
        for number in (1, 11, 21):
            await writer.execute(f"INSERT INTO public.item (id, secret, a) VALUES ({number}, '{MARKER}', 'a')")
    assert len(await changes(owner)) == 3
    await assert_hidden(database)


RENAMES = {
    "rename": ["ALTER TABLE public.item RENAME secret TO other"],
    "swap": [
        "ALTER TABLE public.item RENAME secret TO tmp",
        "ALTER TABLE public.item RENAME a TO secret",
        "ALTER TABLE public.item RENAME tmp TO a",
    ],
    "anew": ["ALTER TABLE public.item DROP secret", "ALTER TABLE public.item ADD secret text"],
    "anew with another type": ["ALTER TABLE public.item DROP secret", "ALTER TABLE public.item ADD secret jsonb"],
    "another type": ["ALTER TABLE public.item ALTER secret TYPE jsonb USING to_jsonb(secret)"],
}
SECRETS = {"rename": "other", "swap": "a"}


@each_value_once(columns=ITEM_COVERS, rename=list(RENAMES), is_partitioned={"plain": False, "partitioned": True})
async def test_a_column_that_is_renamed_or_made_anew_shows_nothing(
    owner: Connection, database: Database, columns: dict[str, Any], rename: str, *, is_partitioned: bool
) -> None:
    """In a session that has written before, in one that has not, in a transaction that is older; and after `migrate`."""
    await create(
        owner,
        *(
            PARTITIONS
            if is_partitioned
            else ("CREATE TABLE public.item (id integer PRIMARY KEY, secret text, a text)",)
        ),
        columns=columns,
    )
    insert = "INSERT INTO public.item (id, secret, a) VALUES ({number}, '\"x\"', 'a')"
    async with connected(database.url) as planned, connected(database.url) as older:
        await planned.execute(insert.format(number=1))
        await planned.execute(insert.format(number=11))
        before = older.transaction(isolation="repeatable_read")
        await before.start()
        await older.fetchval("SELECT count(*) FROM pg_class")
        for statement in RENAMES[rename]:
            await owner.execute(statement)
        seq = await newest(owner)
        secret = SECRETS.get(rename, "secret")
        for place, writer in enumerate((planned, older, owner), start=2):
            for start in (0, 10, 20) if is_partitioned else (0,):
                await writer.execute(f"INSERT INTO public.item (id, {secret}) VALUES ({start + place}, '\"{MARKER}\"')")
        await before.commit()
        found = await changes(owner, after_seq=seq)
        assert len(found) == (9 if is_partitioned else 3)
        await assert_hidden(database)

        # Whoever includes a column names the one that has the name now; and one that is gone is an error.
        if (rename == "rename" and "include" not in columns) or (rename == "swap" and "include" in columns):
            return
        await rule(owner, columns=columns)
        for place, writer in enumerate((planned, older, owner), start=5):
            for start in (0, 10, 20) if is_partitioned else (0,):
                await writer.execute(f"INSERT INTO public.item (id, {secret}) VALUES ({start + place}, '\"{MARKER}\"')")
    await assert_hidden(database)


async def test_a_new_column_is_sent_where_columns_are_excluded_and_not_where_they_are_included(
    owner: Connection,
) -> None:
    await create(owner, PERSON, "CREATE TABLE public.city (id integer PRIMARY KEY, name text, ssn text)")
    await rule(owner, table="public.person", columns={"exclude": ["ssn"]})
    await rule(owner, table="public.city", columns={"include": ["name"]})
    for table in ("person", "city"):
        await owner.execute(f"INSERT INTO public.{table} VALUES (1, 'a', '{MARKER}')")
        await owner.execute(f"ALTER TABLE public.{table} ADD note text DEFAULT 'new'")
        await owner.execute(f"UPDATE public.{table} SET name = 'b'")
    found = await changes(owner)
    assert [change.after for change in found] == [
        {"id": 1, "name": "a"},
        {"id": 1, "name": "b", "note": "new"},
        {"id": 1, "name": "a"},
        {"id": 1, "name": "b"},
    ]


async def test_what_a_snapshot_does_not_know_by_name_is_withheld_and_said(
    owner: Connection, database: Database
) -> None:
    await create(owner, PERSON, columns={"exclude": ["ssn"]})
    async with connected(database.url) as older, older.transaction(isolation="repeatable_read"):
        await older.fetchval("SELECT count(*) FROM pg_class")
        await owner.execute("ALTER TABLE public.person ADD note text")
        await older.execute(f"INSERT INTO public.person VALUES (1, 'a', '{MARKER}', '{MARKER}')")
    assert await changes(owner) == [Change("I", None, {"id": 1, "name": "a"}, None, {"withheld": ["note"]})]


@each_value_once(
    columns=[{"hash": ["note"]}, {"mask": {"note": "*"}}, {"exclude": ["note"]}],
    document=[f'"\\u0000{MARKER}"', f'"\\ud800{MARKER}"', f'{{"a": "\\u0000{MARKER}"}}'],
)
async def test_a_document_that_nothing_can_read_is_covered_or_a_fault(
    owner: Connection, database: Database, columns: dict[str, Any], document: str
) -> None:
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, note json)", columns=columns)
    await owner.execute("INSERT INTO public.item VALUES (1, $1::json)", document)
    await owner.execute("UPDATE public.item SET id = 2")
    await owner.execute("DELETE FROM public.item")
    assert await changes(owner)
    await assert_hidden(database)


async def test_a_row_that_is_too_large_is_a_fault(owner: Connection, database: Database) -> None:
    await create(owner, PERSON, columns={"mask": {"ssn": "*"}})
    await owner.execute("SELECT forwarder.limit_images(1000)")
    await owner.execute(f"INSERT INTO public.person VALUES (1, 'a', repeat('{MARKER}', 1000))")
    await owner.execute("UPDATE public.person SET name = 'b'")
    await owner.execute("DELETE FROM public.person")
    assert [(change.op, change.before, change.after, change.fault) for change in await changes(owner)] == [
        (op, None, None, "54000") for op in "IUD"
    ]
    await assert_hidden(database)


@pytest.mark.parametrize("columns", [{"mask": {"c1600": "*"}}, {"include": ["c2"]}, {"hash": ["c3"]}], ids=str)
async def test_a_table_of_1600_columns(owner: Connection, columns: dict[str, Any]) -> None:
    listed = ", ".join(f"c{number} integer" for number in range(2, 1601))
    await create(owner, f"CREATE TABLE public.wide (id integer PRIMARY KEY, {listed})", columns=columns)
    await owner.execute("INSERT INTO public.wide (id, c2, c1600) VALUES (1, 2, 1600)")
    await owner.execute("UPDATE public.wide SET c3 = 3")
    (first, second) = await changes(owner)
    assert first.fault is second.fault is None
    assert second.before == first.after
    assert second.after
    assert len(second.after) == (2 if "include" in columns else 1600)


async def test_names_that_need_quoting(owner: Connection, database: Database) -> None:
    names = ['Odd "name"', "new", "a,b", "back\\slash", "ä\t", "'", "$1", "x" * 63]
    listed = ", ".join('"' + name.replace('"', '""') + '" text' for name in names)
    await create(
        owner,
        f'CREATE TABLE public."Odd.table" ("the id" integer PRIMARY KEY, {listed})',
        columns={"exclude": names[:4], "mask": dict.fromkeys(names[4:6], "*"), "hash": names[6:]},
    )
    await owner.execute(f"""INSERT INTO public."Odd.table" VALUES (1 {f", '{MARKER}'" * len(names)})""")
    await owner.execute('UPDATE public."Odd.table" SET "the id" = 2, new = 1')
    found = await changes(owner)
    assert [change.op for change in found] == ["I", "D", "I"]
    assert found[0].after
    assert list(found[0].after) == ["the id", *names[4:]]
    await assert_hidden(database)


async def test_generated_columns_are_treated_as_others(owner: Connection, database: Database) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (id integer PRIMARY KEY, a text, b text GENERATED ALWAYS AS (a || 'x') STORED,"
        " c text GENERATED ALWAYS AS (a || 'y') STORED)",
        columns={"mask": {"a": "*", "b": "*"}, "exclude": ["c"]},
    )
    await owner.execute(f"INSERT INTO public.item VALUES (1, '{MARKER}')")
    assert [change.after for change in await changes(owner)] == [{"id": 1, "a": "*", "b": "*"}]
    await assert_hidden(database)


async def test_a_table_that_inherits_has_rules_of_its_own(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.parent (id integer PRIMARY KEY, secret text)",
        "CREATE TABLE public.child (PRIMARY KEY (id)) INHERITS (public.parent)",
    )
    await rule(owner, table="public.parent", columns={"exclude": ["secret"]})
    await rule(owner, table="public.child", columns={"mask": {"secret": "*"}})
    await owner.execute("INSERT INTO public.parent VALUES (1, 'x')")
    await owner.execute("INSERT INTO public.child VALUES (2, 'y')")
    await owner.execute("UPDATE public.parent SET secret = 'z'")
    assert [change.after for change in await changes(owner)] == [
        {"id": 1},
        {"id": 2, "secret": "*"},
        {"id": 1},
        {"id": 2, "secret": "*"},
    ]


@covers
async def test_whatever_is_set_for_a_database_rules_hold(
    owner: Connection, database: Database, columns: dict[str, Any]
) -> None:
    await create(owner, PERSON, columns=columns)
    async with connected(database.url) as writer:
        await writer.execute(f"INSERT INTO public.person VALUES (1, 'a', '{MARKER}')")
        for name, value in HOSTILE.items():
            if await writer.fetchval("SELECT current_setting($1, true)", name) is not None and name not in (
                "default_transaction_read_only",
                "default_table_access_method",
            ):
                await writer.execute(f"SET {name} = '{value}'")
        await writer.execute(f"INSERT INTO public.person VALUES (2, 'a', '{MARKER}')")
        await writer.execute(f"UPDATE public.person SET id = id + 10, ssn = '{MARKER}2'")
        await writer.execute("DELETE FROM public.person")
    found = await changes(owner)
    assert [change.op for change in found] == ["I", "I", "D", "I", "D", "I", "D", "D"]
    assert found[0].after
    assert found[1].after
    assert {**found[0].after, "id": 2} == found[1].after
    assert all(change.fault is None for change in found)
    await assert_hidden(database)


@each_value_once(columns=ITEM_COVERS, is_renamed=[False, True])
async def test_a_restored_table_shows_nothing_before_migrate_comes_to_it(
    postgres: EmbeddedPostgres, owner: Connection, database: Database, columns: dict[str, Any], *, is_renamed: bool
) -> None:
    """Its columns have other numbers: those that were dropped are not restored."""
    await create(
        owner,
        "CREATE TABLE public.item (id integer PRIMARY KEY, gone text, a text, secret text)",
        "ALTER TABLE public.item DROP gone",
        columns=columns,
    )
    if is_renamed:
        await owner.execute("ALTER TABLE public.item RENAME secret TO other")
    async with restored(await dump(postgres, database.name), postgres) as copy:
        async with connected(copy.url) as writer:
            await writer.execute(f"INSERT INTO public.item VALUES (1, 'a', '{MARKER}')")
            assert len(await changes(writer)) == 1
            await assert_hidden(copy)
            if not is_renamed:
                await rule(writer, columns=columns)
                await writer.execute(f"INSERT INTO public.item VALUES (2, 'a', '{MARKER}')")
                (_, change) = await changes(writer)
                assert change.after
                assert change.after["a"] == "a"
        await assert_hidden(copy)


async def test_a_large_value_is_covered(owner: Connection, database: Database) -> None:
    await create(owner, PERSON, columns={"hash": ["ssn"], "truncate": {"name": 5}})
    await owner.execute("INSERT INTO public.person VALUES (1, repeat('ab', 3000000), $1)", MARKER * 500_000)
    assert [change.after for change in await changes(owner)] == [
        {"id": 1, "name": "ababa", "ssn": await hash_of(owner, MARKER * 500_000)}
    ]
    await assert_hidden(database)


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP"])
async def test_columns_in_other_encodings(postgres: EmbeddedPostgres, encoding: str) -> None:
    name = "é" if encoding == "LATIN1" else "秘密"
    async with encoded(encoding, postgres) as copy:
        async with connected(copy.url) as owner:
            await create(
                owner,
                f'CREATE TABLE public.item (id integer PRIMARY KEY, "{name}" text, h text, x text)',
                columns={"mask": {name: name}, "hash": ["h"], "truncate": {"x": 1}},
            )
            await owner.execute(f"INSERT INTO public.item VALUES (1, '{MARKER}', '{name}', '{name}{MARKER}')")
            await owner.execute(f'ALTER TABLE public.item RENAME "{name}" TO "x{name}"')
            await owner.execute("UPDATE public.item SET id = 2")
            found = await changes(owner)
        assert [change.op for change in found] == ["I", "D", "I"]
        assert found[0].after
        assert found[2].after
        assert (found[0].after[name], found[0].after["x"]) == (name, name[0])
        assert found[2].after[f"x{name}"] == name
        await assert_hidden(copy)
