"""``before``, ``after`` and ``context`` of [[table]]: what of a row a record has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from forwarder.errors import Misconfigured
from tests.databases import Database, connected
from tests.migrating import migrate
from tests.ruled import changes, create, installed_up_to, rule

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

ITEM = "CREATE TABLE public.item (a text, id integer PRIMARY KEY, b jsonb)"
WRITES = (
    "INSERT INTO public.item VALUES ('x', 1, '{}')",
    "UPDATE public.item SET a = 'y'",
    "UPDATE public.item SET a = 'y'",
    "UPDATE public.item SET id = 2, b = NULL",
    "DELETE FROM public.item",
)


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


FIRST = {"id": 1, "a": "x", "b": {}}
SECOND = {"id": 1, "a": "y", "b": {}}
LAST = {"id": 2, "a": "y", "b": None}
ONE, TWO = {"id": 1}, {"id": 2}

# The images of two updates, of the delete and the insert that a change of the key is, and of the delete.
BEFORE = {
    "full": [FIRST, SECOND, SECOND, ONE, LAST],
    "changed": [{"id": 1, "a": "x"}, ONE, SECOND, ONE, LAST],
    "key": [ONE, ONE, ONE, ONE, TWO],
    "none": [None, None, SECOND, ONE, LAST],
}
AFTER = {
    "full": [SECOND, SECOND, TWO, LAST, None],
    "changed": [{"id": 1, "a": "y"}, ONE, TWO, LAST, None],
    "key": [ONE, ONE, TWO, TWO, None],
}


@pytest.mark.parametrize("before", BEFORE)
async def test_before(owner: Connection, before: str) -> None:
    """What PostgreSQL makes of a row has the columns in their order; an image by rules has the key first."""
    await create(owner, ITEM, before=before)
    for statement in WRITES:
        await owner.execute(statement)
    found = await changes(owner)
    assert [change.op for change in found] == list("IUUDID")
    assert (found[0].before, found[0].after) == (None, FIRST)
    assert [change.before for change in found[1:]] == BEFORE[before]
    assert [change.extra.get("changed") for change in found] == (
        [None, ["a"], [], ["id", "b"], ["id", "b"], None] if before == "changed" else [None] * 6
    )


@pytest.mark.parametrize("after", AFTER)
async def test_after(owner: Connection, after: str) -> None:
    await create(owner, ITEM, after=after)
    for statement in WRITES:
        await owner.execute(statement)
    found = await changes(owner)
    assert found[0].after == (ONE if after == "key" else FIRST)
    assert [change.after for change in found[1:]] == AFTER[after]
    assert [change.before for change in found[1:]] == BEFORE["full"]


async def test_shaped_images_have_the_key_first_in_its_order(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (a text, y integer, b text, x integer, PRIMARY KEY (x, y))",
        columns={"exclude": ["b"]},
    )
    await owner.execute("INSERT INTO public.item VALUES ('a', 1, 'b', 2)")
    await owner.execute("UPDATE public.item SET y = 3")
    found = await owner.fetch("SELECT op::text, before, after FROM forwarder.outbox ORDER BY seq")
    assert [tuple(row) for row in found] == [
        ("I", None, '{"x":2,"y":1,"a":"a"}'),
        ("D", '{"x":2,"y":1,"a":"a"}', '{"x":2,"y":3}'),
        ("I", '{"x":2,"y":1}', '{"x":2,"y":3,"a":"a"}'),
    ]


async def test_values_that_are_not_treated_are_those_of_postgresql_to_the_last_digit(owner: Connection) -> None:
    columns = "id integer PRIMARY KEY, n numeric, f double precision, j json, t text, z timestamptz, x text"
    values = """1, 1.000000000000000000010, 0.1, '{"b":1, "a" : [1.0,"\\u00e9"], "a":2}', E'\\u2028"\\n', '2026-01-02 03:04:05+02', 'x'"""
    await create(owner, *(f"CREATE TABLE public.{table} ({columns})" for table in ("plain", "shaped")))
    await rule(owner, table="public.shaped", columns={"exclude": ["x"]})
    for table in ("plain", "shaped"):
        await owner.execute(f"INSERT INTO public.{table} VALUES ({values})")
    plain, shaped = (row["after"] for row in await owner.fetch("SELECT after FROM forwarder.outbox ORDER BY seq"))
    assert plain.replace(',"x":"x"', "") == shaped


async def test_changed_names_columns_that_differ_in_any_way(owner: Connection) -> None:
    await create(
        owner,
        "CREATE TABLE public.item (id integer PRIMARY KEY, n numeric, j json, f double precision, ssn text, h text)",
        before="changed",
        columns={"mask": {"ssn": "*"}, "exclude": ["h"]},
    )
    await owner.execute("INSERT INTO public.item VALUES (1, 1.0, '{\"a\":1}', 0, 'x', 'y')")
    await owner.execute("UPDATE public.item SET n = 1.00, j = '{\"a\": 1}', f = '-0', ssn = 'z', h = 'z'")
    (_, update) = await changes(owner)
    assert update.extra == {"changed": ["n", "j", "f", "ssn"]}
    assert update.before
    assert update.before["ssn"] == "*"


@pytest.mark.parametrize("options", [{"before": "key"}, {"before": "changed"}, {"after": "key"}, {"after": "changed"}])
async def test_images_of_keys_need_a_key(owner: Connection, options: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match="needs a key"):
        await create(owner, "CREATE TABLE public.item (a text)", **options)


async def test_a_table_without_a_key_may_have_rules_about_columns(owner: Connection) -> None:
    await create(owner, "CREATE TABLE public.item (a text, b text)", columns={"mask": {"b": "*"}})
    for statement in ("INSERT INTO public.item VALUES ('x', 'y')", "UPDATE public.item SET a = 'z'"):
        await owner.execute(statement)
    await owner.execute("DELETE FROM public.item")
    one, two = {"a": "x", "b": "*"}, {"a": "z", "b": "*"}
    assert [change.short for change in await changes(owner)] == [("I", None, one), ("U", one, two), ("D", two, None)]


async def test_context_is_left_out_where_it_is_switched_off(owner: Connection) -> None:
    for table in ("yes", "no"):
        await owner.execute(f"CREATE TABLE public.{table} (id integer PRIMARY KEY)")
    await rule(owner, table="public.yes", audit=True)
    await rule(owner, table="public.no", context=False)
    async with owner.transaction():
        await owner.execute("SELECT set_config('forwarder.context', '{\"user\": \"ada\"}', true)")
        for table in ("yes", "no"):
            await owner.execute(f"INSERT INTO public.{table} VALUES (1); UPDATE public.{table} SET id = 2")
            await owner.execute(f"DELETE FROM public.{table}; TRUNCATE public.{table}")
    found = await owner.fetch("SELECT relation::regclass::text, context FROM forwarder.outbox ORDER BY seq")
    assert [tuple(row) for row in found] == [("yes", '{"user": "ada"}')] * 5 + [("no", None)] * 5


async def test_what_comes_late_keeps_what_is_beside_its_images(owner: Connection) -> None:
    """Changes that a later one puts behind itself take along what is said of them."""
    await create(owner, "CREATE TABLE public.item (id integer PRIMARY KEY, n integer)", before="changed", audit=True)
    await owner.execute(
        "CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.n = 1 THEN UPDATE item SET n = 2 WHERE id = NEW.id; END IF; RETURN NULL; END $$;"
        'CREATE TRIGGER "!" AFTER UPDATE ON public.item FOR EACH ROW EXECUTE FUNCTION public.touch()'
    )
    await owner.execute("INSERT INTO public.item VALUES (1, 0)")
    await owner.execute("UPDATE public.item SET n = 1")
    found = await changes(owner)
    assert [change.after for change in found] == [{"id": 1, "n": number} for number in (0, 1, 2)]
    assert [change.extra.get("changed") for change in found] == [None, ["n"], ["n"]]
    assert [change.extra["audit"]["depth"] for change in found] == [1, 1, 2]


async def test_a_table_without_old_rows_of_an_earlier_release_stays_so(bare_database: Database) -> None:
    async with connected(bare_database.url) as owner:
        await installed_up_to(owner, 28)
        for table, before in (("item", "none"), ("other", "full")):
            await owner.execute(f"CREATE TABLE public.{table} (id integer PRIMARY KEY, n integer)")
            await owner.execute(
                "SELECT forwarder.install($1::text::regclass, $2, $3, NULL, $4)",
                f"public.{table}",
                before,
                json.dumps([{"attnum": 1, "names": ["id"]}]),
                ['{"id":'],
            )
        await migrate(owner)
        assert (await migrate(owner)).done == []
        for table in ("item", "other"):
            await owner.execute(f"INSERT INTO public.{table} VALUES (1, 1); UPDATE public.{table} SET n = 2")
            await owner.execute(f"TRUNCATE public.{table}")
        row = {"id": 1, "n": 2}
        assert [change.short for change in await changes(owner)] == [
            ("I", None, {"id": 1, "n": 1}),
            ("U", None, row),
            ("T", None, None),
            ("I", None, {"id": 1, "n": 1}),
            ("U", {"id": 1, "n": 1}, row),
            ("T", None, None),
        ]
        kept = await owner.fetchval("SELECT options FROM forwarder.captured_table WHERE table_name = 'item'")
        assert json.loads(kept) == {"before": "none"}
