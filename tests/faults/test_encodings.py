"""Text that cannot become UTF-8 makes trouble for the rows that it is in, and for nothing else.

Each database holds bytes that mean nothing: one in SQL_ASCII any above ASCII, one in WIN1252 the byte 0x81.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from forwarder.database.sessions import session
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.records.record import SetAside
from forwarder.store import dead_letters
from tests.databases import Database, connected, encoded
from tests.ledger import create_accounts
from tests.listening import CREDENTIALS, STREAM, Operator, Served, listening
from tests.migrating import migrate_tables
from tests.waiting import eventually


class Encoding(NamedTuple):
    name: str
    # A character that cannot become UTF-8, as SQL, and the SQLSTATE that says so.
    illegible: str
    fault: str


SQL_ASCII = Encoding("SQL_ASCII", "chr(233)", "22021")
WIN1252 = Encoding("WIN1252", "chr(129)", "22P05")


@pytest.fixture(params=[SQL_ASCII, pytest.param(WIN1252, marks=pytest.mark.long)], ids=lambda encoding: encoding.name)
def encoding(request: pytest.FixtureRequest) -> Encoding:
    found: Encoding = request.param
    return found


@pytest.fixture
async def database(encoding: Encoding, postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """One with a captured table account."""
    async with encoded(encoding.name, postgres) as database:
        await create_accounts(database.url)
        yield database


@pytest.fixture
def operator(database: Database, served: Served, tmp_path: Path) -> Operator:
    sink = {"FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}
    return Operator({**CREDENTIALS, **sink}, tmp_path)


async def execute(database: Database, *statements: str) -> None:
    async with connected(database.url) as connection:
        for statement in statements:
            await connection.execute(statement)


async def rename(database: Database, statement: str, old: str, illegible: str) -> None:
    """Run an ALTER TABLE that says ``%I`` where a name with an illegible character goes: ``old`` and that."""
    await execute(database, f"DO $$BEGIN EXECUTE format($s${statement}$s$, '{old}' || {illegible}); END$$")


async def delivered(database: Database, served: Served, count: int, **settings: Any) -> list[dict[str, Any]]:
    """What a listener delivers of what there is: so many records."""
    async with listening(database.url, served.sink, **settings):
        await served.kinesis.wait_for_records(count, stream=STREAM)
    return sorted(map(json.loads, served.data()), key=lambda body: int(body["seq"]))


def note(body: Mapping[str, Any], image: str = "after") -> Any:
    return body[image] and body[image]["note"]


@pytest.mark.parametrize(
    ("encoding", "page_rows"),
    [
        pytest.param(SQL_ASCII, 4000, id="SQL_ASCII, a batch"),
        pytest.param(WIN1252, 7, id="WIN1252, pages"),
        pytest.param(SQL_ASCII, 7, id="SQL_ASCII, pages", marks=pytest.mark.long),
        pytest.param(WIN1252, 4000, id="WIN1252, a batch", marks=pytest.mark.long),
    ],
    indirect=["encoding"],
)
async def test_a_row_that_cannot_become_utf8_is_delivered_without_its_image_and_the_others_as_they_are(
    database: Database, served: Served, encoding: Encoding, page_rows: int
) -> None:
    await execute(
        database,
        "INSERT INTO account (id, version, note) SELECT id, 1, CASE WHEN id % 10 = 5 THEN 'x' || "
        f"{encoding.illegible} ELSE 'note ' || id END FROM generate_series(101, 200) AS id",
    )

    bodies = await delivered(database, served, 100, page_rows=page_rows)

    assert [body["key"]["id"] for body in bodies] == list(range(101, 201))
    for body in bodies:
        number = body["key"]["id"]
        if number % 10 == 5:
            assert (body["after"], body["fault"]) == (None, encoding.fault)
        else:
            assert note(body) == f"note {number}"
            assert "fault" not in body
        assert body["tx"] == {"index": number - 100, "count": 100}


async def test_an_event_that_cannot_become_utf8_is_delivered_without_its_text_and_the_others_as_they_are(
    database: Database, served: Served, encoding: Encoding
) -> None:
    await execute(
        database,
        "SELECT forwarder.emit('t', number::text, to_json(CASE number WHEN 2 THEN 'x' || "
        f"{encoding.illegible} ELSE 'legible' END)) FROM generate_series(1, 3) AS number",
    )

    bodies = await delivered(database, served, 3)

    assert [body["key"] for body in bodies] == [{"key": "1"}, {"key": "2"}, {"key": "3"}]
    assert [body["op"] for body in bodies] == ["event"] * 3
    assert (bodies[1]["after"], bodies[1]["fault"]) == (None, encoding.fault)
    assert "fault" not in bodies[0] | bodies[2]


async def test_the_update_that_corrects_a_row_has_its_new_image_and_the_one_that_spoils_it_the_old_one(
    database: Database, served: Served, encoding: Encoding
) -> None:
    await execute(
        database,
        "INSERT INTO account (id, version, note) VALUES (100, 1, 'good')",
        f"UPDATE account SET version = 2, note = {encoding.illegible} WHERE id = 100",
        "UPDATE account SET version = 3, note = 'good again' WHERE id = 100",
    )

    bodies = await delivered(database, served, 3)

    assert [(note(body, "before"), note(body), body.get("fault")) for body in bodies] == [
        (None, "good", None),
        ("good", None, encoding.fault),
        (None, "good again", encoding.fault),
    ]
    assert [body["key"] for body in bodies] == 3 * [{"id": 100}]


async def test_a_key_that_cannot_become_utf8_is_null_and_its_row_travels_under_the_tables_name(
    database: Database, served: Served, encoding: Encoding
) -> None:
    await execute(database, "CREATE TABLE word (count integer, word text PRIMARY KEY)")
    async with session(database.url, purpose="tests") as connection:
        await migrate_tables(connection, "public.*")
    await execute(database, f"INSERT INTO word VALUES (1, 'a'), (2, 'b' || {encoding.illegible})")

    bodies = await delivered(database, served, 2)

    assert [(body["key"], body.get("fault")) for body in bodies] == [({"word": "a"}, None), (None, encoding.fault)]
    keys = {record.partition_key for record in served.kinesis.stream(STREAM).records()}
    assert keys == {"public.word.a", "public.word"}


async def test_a_key_behind_what_cannot_become_utf8_is_read_all_the_same(
    database: Database, served: Served, encoding: Encoding
) -> None:
    await execute(database, "CREATE TABLE behind (note text, id integer, part text, PRIMARY KEY (part, id))")
    async with session(database.url, purpose="tests") as connection:
        await migrate_tables(connection, "public.*")
    await execute(database, f"INSERT INTO behind VALUES ({encoding.illegible}, 7, 'a \"quoted\" part')")

    [body] = await delivered(database, served, 1)

    assert body["key"] == {"part": 'a "quoted" part', "id": 7}
    assert body["fault"] == encoding.fault


async def test_a_large_row_is_looked_at_as_well(database: Database, served: Served, encoding: Encoding) -> None:
    await execute(
        database,
        f"INSERT INTO account (id, version, note) VALUES (100, 1, repeat('x', 2000000) || {encoding.illegible})",
        "INSERT INTO account (id, version, note) VALUES (101, 1, repeat('x', 2000000))",
    )
    served.kinesis.stream(STREAM).settings.max_record_kib = 4096

    bodies = await delivered(database, served, 2)

    assert [(body["key"]["id"], body.get("fault")) for body in bodies] == [(100, encoding.fault), (101, None)]
    assert bodies[0]["after"] is None
    assert note(bodies[1]) == 2_000_000 * "x"


async def test_names_that_cannot_become_utf8_are_shown_with_question_marks_and_hold_nothing_up(
    database: Database, served: Served, encoding: Encoding
) -> None:
    await execute(database, "CREATE TABLE other (id integer PRIMARY KEY, note text)")
    async with session(database.url, purpose="tests") as connection:
        await migrate_tables(connection, "public.*")
    await rename(database, "ALTER TABLE other RENAME TO %I", "oth", encoding.illegible)
    await rename(database, "ALTER TABLE account RENAME note TO %I", "note", encoding.illegible)
    await execute(database, "INSERT INTO account (id, version) VALUES (100, 1)")
    async with connected(database.url) as connection:
        await connection.execute(
            f"DO $$BEGIN EXECUTE format('INSERT INTO %I VALUES (7)', 'oth' || {encoding.illegible}); END$$"
        )

    bodies = await delivered(database, served, 2)

    assert [(body["table"], body["key"], body.get("fault")) for body in bodies] == [
        ("account", {"id": 100}, encoding.fault),
        ("oth?", {"id": 7}, None),
    ]


async def test_migrate_warns_of_the_encoding_and_does_not_end_at_an_illegible_name(
    database: Database, operator: Operator, encoding: Encoding
) -> None:
    await rename(database, "CREATE TABLE %I (id integer PRIMARY KEY)", "strange", encoding.illegible)
    await rename(database, "ALTER TABLE account ADD %I text", "strange", encoding.illegible)
    await execute(database, "CREATE TABLE other (id integer PRIMARY KEY)")

    said = await operator.says("migrate", "--table", "public.other", "--table", "public.account")
    assert "public.other: capture installed" in said
    assert "public.account: capture corrected" in said
    said = await operator.says("migrate", "--table", "public.other", "--table", "public.account")
    assert "tables changed: 0, unchanged: 2" in said
    complaint = await operator.says("migrate", "--check", "--table", "public.*", status=1)
    assert f"warning: encoding {encoding.name} of the database can hold text that cannot become UTF-8" in complaint


async def test_dead_letters_are_listed_shown_and_retried_in_spite_of_what_is_in_them(
    database: Database, served: Served, operator: Operator, encoding: Encoding
) -> None:
    illegible = f"repeat('x', 2000000) || {encoding.illegible}"
    await execute(database, f"INSERT INTO account (id, version, note) VALUES (100, 1, {illegible})")
    await delivered(database, served, 1)
    await rename(database, "ALTER TABLE account RENAME TO %I", "account", encoding.illegible)
    await execute(database, f"UPDATE forwarder.captured_table SET table_name = 'account' || {encoding.illegible}")
    async with session(database.url, purpose="tests") as connection:
        change = SetAside(seq=1, partition_key="é", size=7, code="Unheard", reason="a reason → 理由")
        await dead_letters.keep(connection, [change], sink="default")

    listed = await operator.says("dead-letters", "list", "--json")
    shown = json.loads(await operator.says("dead-letters", "show", "1"))
    assert json.loads(listed)["name"] == "account?"
    assert (shown["after"], shown["fault"]) == (None, encoding.fault)
    assert shown["reason"] == "a reason \\u2192 \\u7406\\u7531"
    assert "sent again: 1" in await operator.says("dead-letters", "retry", "1")
    async with listening(database.url, served.sink):
        await served.kinesis.wait_for_records(2, stream=STREAM)

        async def gone() -> bool:
            async with session(database.url, purpose="tests") as connection:
                return not [page async for page in dead_letters.find(connection)]

        await eventually(gone)


async def test_text_in_a_utf8_database_that_is_none_is_taken_for_what_it_is(
    postgres: EmbeddedPostgres, served: Served
) -> None:
    async with encoded("SQL_ASCII", postgres) as database:
        await create_accounts(database.url)
        await execute(
            database,
            "INSERT INTO account (id, version, note) VALUES (100, 1, 'good')",
            f"INSERT INTO account (id, version, note) VALUES (101, 1, {SQL_ASCII.illegible} || 'x')",
        )
        # As a damaged disk or an old bug may leave it.
        async with connected(database.superuser_url) as connection:
            await connection.execute("UPDATE pg_database SET encoding = 6 WHERE datname = current_database()")

        bodies = await delivered(database, served, 2)

    assert [(body["key"]["id"], note(body), body.get("fault")) for body in bodies] == [
        (100, "good", None),
        (101, None, SQL_ASCII.fault),
    ]
