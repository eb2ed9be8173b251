"""What the rules of a table say holds for rows that a load reads, too: images are those that the trigger makes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from forwarder.database.sessions import session
from forwarder.errors import LoadFailed
from forwarder.load.part import Part
from forwarder.load.reader import ChunkReader
from tests.databases import Database, connected
from tests.loading import Loading
from tests.ruled import MARKER, create, rule

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.url) as connection:
        yield connection


@pytest.fixture
async def loading(database: Database, owner: Connection) -> AsyncIterator[Loading]:
    async with session(database.url, purpose="tests") as connection:
        yield Loading(ChunkReader(connection), owner)


PERSON = (
    "CREATE TYPE public.mood AS ENUM ('good', 'bad')",
    "CREATE TABLE public.item (note text, id numeric PRIMARY KEY, name text, phone text, mood public.mood)",
    "INSERT INTO public.item SELECT 'note ' || n, n + 0.10, 'name ' || n, '0-' || n, 'good' FROM generate_series(1, 9) AS n",
)
UPDATE = "UPDATE public.item SET note = note || '!', name = name, phone = phone"


@pytest.mark.parametrize(
    "options",
    [
        {"columns": {"exclude": ["phone"], "hash": ["name"], "mask": {"note": "***"}}},
        {"columns": {"include": ["note"]}},
        {"columns": {"truncate": {"note": 3}, "mask_digits": {"phone": "#"}, "randomize_digits": {"name": True}}},
        {"columns": {"hash": ["id"]}},
        {"after": "key"},
        {"context": False},
        {"audit": True},
    ],
    ids=str,
)
async def test_images_are_those_of_the_trigger(owner: Connection, loading: Loading, options: dict[str, Any]) -> None:
    if "randomize_digits" in options.get("columns", {}):
        options = {"columns": {**options["columns"], "randomize_digits": ["name"]}}
    await create(owner, *PERSON, **options)
    captured = await loading.captured("item", UPDATE)
    assert sorted(map(str, await loading.images())) == captured
    await owner.execute("ALTER TABLE public.item DROP COLUMN mood")
    captured = await loading.captured("item", UPDATE)
    assert sorted(map(str, await loading.images())) == captured


async def test_where_images_are_of_what_changed_they_are_whole(owner: Connection, loading: Loading) -> None:
    await create(owner, *PERSON, after="changed", before="changed")
    assert (await loading.images())[0] == '{"id":1.10,"note":"note 1","name":"name 1","phone":"0-1","mood":"good"}'


async def test_a_column_that_comes_while_the_table_is_read_is_treated_as_the_rules_say(
    owner: Connection, loading: Loading
) -> None:
    await create(owner, *PERSON, columns={"include": ["name"]})
    plan = await loading.reader.plan(await loading.id(), Part())
    first = await loading.reader.read(plan, None, rows=1, bytes=1, begun=await loading.now())
    await owner.execute("ALTER TABLE public.item ADD COLUMN late text DEFAULT 'x'")
    second = await loading.reader.read(plan, first.place, rows=1, bytes=1, begun=await loading.now())
    assert [(row.after, row.extra) for row in second.rows] == [('{"id":2.10,"name":"name 2"}', None)]


async def test_a_rule_holds_from_the_next_chunk_on(owner: Connection, loading: Loading) -> None:
    await create(owner, *PERSON)
    plan = await loading.reader.plan(await loading.id(), Part())
    first = await loading.reader.read(plan, None, rows=1, bytes=1, begun=await loading.now())
    await rule(owner, columns={"exclude": ["note", "phone", "mood"]})
    second = await loading.reader.read(plan, first.place, rows=1, bytes=1, begun=await loading.now())
    assert [row.after for row in second.rows] == ['{"id":2.10,"name":"name 2"}']
    await rule(owner, where="NEW.id > 5", columns={"exclude": ["note", "phone", "mood"]})
    third = await loading.reader.read(plan, second.place, rows=100, bytes=1 << 20, begun=await loading.now())
    assert [row.after for row in third.rows] == [f'{{"id":{n}.10,"name":"name {n}"}}' for n in range(5, 10)]


async def test_rows_that_do_not_meet_the_condition_are_not_read(owner: Connection, loading: Loading) -> None:
    await create(owner, *PERSON, where="NEW.name <> 'name 3' -- not him")
    read = await loading.images(part=Part(where="NEW.id > 2 AND phone <> '0-7' -- nor her"))
    assert [str(image)[9:15] for image in read] == [f"note {n}" for n in (2, 4, 5, 6, 8, 9)]
    chunks = await loading.chunks(rows=2, part=Part(where="id > 1000"))
    assert [len(chunk.rows) for chunk in chunks] == [0] * 5


async def test_the_outbox_of_an_application_is_refused(owner: Connection, loading: Loading) -> None:
    await owner.execute(
        "CREATE TABLE public.item (id uuid PRIMARY KEY, aggregatetype text, aggregateid text, type text, payload jsonb)"
    )
    await rule(owner, table="public.item", outbox=True)
    with pytest.raises(LoadFailed, match="is an outbox of events"):
        await loading.rows()


async def test_an_image_that_is_too_large_is_left_out_and_its_key_is_told(owner: Connection, loading: Loading) -> None:
    await owner.execute("SELECT forwarder.limit_images(1024)")
    await create(owner, "CREATE TABLE public.item (note text, id integer PRIMARY KEY)")
    await owner.execute("INSERT INTO public.item VALUES ('short', 1), (repeat('x', 2000), 2), ('short', 3)")
    for columns in ({}, {"hash": ["id"]}):
        await rule(owner, columns=columns)
        rows = await loading.rows()
        assert [row.fault for row in rows] == [None, "54000", None]
        assert rows[1].after is None
        key = rows[1].key
        assert key is not None
        assert key == '{"id":2}' if not columns else len(key) == len('{"id":""}') + 64


async def test_a_strangers_cast_is_not_run(database: Database, owner: Connection, loading: Loading) -> None:
    async with connected(database.superuser_url) as root:
        await root.execute("CREATE SCHEMA evil AUTHORIZATION app_writer; GRANT ALL ON SCHEMA evil TO PUBLIC")
    async with connected(database.writer_url) as stranger:
        await stranger.execute(
            "CREATE TYPE evil.mood AS ENUM ('good');"
            "CREATE FUNCTION evil.to_json(evil.mood) RETURNS json LANGUAGE sql AS $$ SELECT to_json(current_user::text) $$;"
            "CREATE FUNCTION evil.to_text(evil.mood) RETURNS text LANGUAGE sql AS $$ SELECT current_user::text $$"
        )
        await owner.execute("CREATE TABLE public.item (id evil.mood PRIMARY KEY)")
        await create(owner, "INSERT INTO public.item VALUES ('good')")
        assert await loading.images() == ['{"id":"good"}']
        await stranger.execute(
            "CREATE CAST (evil.mood AS json) WITH FUNCTION evil.to_json(evil.mood);"
            "CREATE CAST (evil.mood AS text) WITH FUNCTION evil.to_text(evil.mood)"
        )
    [chunk, last] = await loading.chunks(rows=1)
    assert [(row.after, row.fault, row.key) for row in chunk.rows] == [(None, "42501", '{"id":"good"}')]
    assert chunk.place is not None
    assert chunk.place.after == ("good",)
    assert last.rows == []


async def test_nothing_that_is_covered_is_in_a_place_but_of_the_key(owner: Connection, loading: Loading) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (id text PRIMARY KEY, secret text)",
        f"INSERT INTO public.item VALUES ('a', '{MARKER}')",
        columns={"mask": {"secret": "***"}},
    )
    assert MARKER not in str(await loading.chunks())


async def test_a_row_whose_value_cannot_be_treated_has_no_image_and_the_others_have(
    owner: Connection, loading: Loading
) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (id integer PRIMARY KEY, doc json)",
        r"""INSERT INTO public.item VALUES (1, '"a"'), (2, '"\u0000"'), (3, 'null')""",
        columns={"hash": ["doc"]},
    )
    await owner.execute("UPDATE public.item SET doc = doc")
    captured = await owner.fetch("SELECT after, fault FROM forwarder.outbox ORDER BY seq")
    rows = await loading.rows()
    assert [(row.after, row.fault) for row in rows] == [tuple(change) for change in captured]
    assert [row.key for row in rows] == [None, '{"id":2}', None]
    assert rows[1].fault == "22P05"
