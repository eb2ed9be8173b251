"""Updates that options leave out, among changes of the same row in one statement: what is captured stays in the order of the row's versions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.cases import each_value_once
from tests.ruled import changes, create

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection
    from tests.databases import Database

ITEM = "CREATE TABLE public.item (id integer PRIMARY KEY, status text, n integer)"
OPTIONS: dict[str, dict[str, Any]] = {
    "only_when": {"only_when": ["status"]},
    "only_when, and whole rows of none": {"only_when": ["status"], "before": "none"},
    "only_when, shaped": {"only_when": ["status"], "before": "changed", "columns": {"mask": {"n": "-"}}},
    "skip_unchanged": {"skip_unchanged": True},
    "where": {"where": "NEW.id > 0", "only_when": ["status"]},
}
# What the trigger of the application, which fires before ours, does with a row whose status becomes b.
NESTED = {
    "one left out between": ("n = n + 0", "status = 'c'"),
    "several left out": ("status = status", "status = 'c'", "status = status", "status = 'd'", "status = status"),
    "each by a trigger of its own": ("status = 'b1'", "n = n + 0", "status = 'c'"),
}


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    session = await asyncpg.connect(database.url)
    yield session
    await session.close()


async def nest(owner: Connection, *updates: str) -> None:
    """Run these updates of a row before the change that makes its status b is captured."""
    statements = " ".join(f"UPDATE item SET {update} WHERE id = NEW.id;" for update in updates)
    await owner.execute(
        f"CREATE FUNCTION public.nest() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statements} RETURN NULL; END $$;"
        ' CREATE TRIGGER "!" AFTER UPDATE ON public.item FOR EACH ROW'
        " WHEN (NEW.status = 'b' AND OLD.status <> 'b') EXECUTE FUNCTION public.nest()"
    )


@each_value_once(options=OPTIONS, updates=NESTED)
async def test_a_late_change_goes_before_those_that_follow_it_by_updates_that_are_left_out(
    owner: Connection, options: dict[str, Any], updates: tuple[str, ...]
) -> None:
    await create(owner, ITEM, **options)
    await nest(owner, *updates)
    await owner.execute("INSERT INTO public.item VALUES (1, 'a', 0)")
    await owner.execute("UPDATE public.item SET status = 'b'")
    statuses = [change.after and change.after["status"] for change in await changes(owner)]
    written = [update.split("'")[1] for update in updates if "'" in update]
    assert statuses == ["a", "b", *written]
    assert statuses[-1] == await owner.fetchval("SELECT status FROM public.item")


@pytest.mark.parametrize("operations", [["insert", "delete"], ["insert"], ["delete"]], ids=",".join)
async def test_without_updates_the_end_of_a_row_comes_after_its_beginning(
    owner: Connection, operations: list[str]
) -> None:
    await create(owner, ITEM, operations=operations)
    await owner.execute(
        "CREATE FUNCTION public.drop_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE item SET n = n + 1 WHERE id = NEW.id; UPDATE item SET n = n + 1 WHERE id = NEW.id;"
        " DELETE FROM item WHERE id = NEW.id; RETURN NULL; END $$;"
        " CREATE TRIGGER \"!\" AFTER INSERT ON public.item FOR EACH ROW WHEN (NEW.status = 'brief') EXECUTE FUNCTION public.drop_again()"
    )
    await owner.execute("INSERT INTO public.item VALUES (1, 'brief', 0), (2, 'stays', 0)")
    found = [(change.op, (change.after or change.before or {})["id"]) for change in await changes(owner)]
    expected = [("I", 1), ("D", 1), ("I", 2)]
    assert sorted(found, key=lambda change: change[1]) == [
        change for change in expected if {"I": "insert", "D": "delete"}[change[0]] in operations
    ]


@each_value_once(
    options=[{"only_when": ["n"]}, {"operations": ["insert", "delete"]}, {"skip_unchanged": True}, {}],
    dropped=["NEW.id", "NEW.id + 1"],
)
async def test_a_row_that_ends_by_an_update_that_is_left_out_stays_ended(
    owner: Connection, options: dict[str, Any], dropped: str
) -> None:
    """Here the update is captured, or noted, after the delete that it has brought about."""
    await create(owner, ITEM, table="public.item", **options)
    update = "n = n" if "skip_unchanged" in options else "status = 'x'"
    await owner.execute(
        "CREATE TABLE public.source (id integer PRIMARY KEY);"
        "CREATE FUNCTION public.fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO item VALUES (NEW.id, '', 0), (NEW.id + 1, '', 0);"
        f" UPDATE item SET {update} WHERE id IN (NEW.id, NEW.id + 1); RETURN NULL; END $$;"
        "CREATE TRIGGER fill AFTER INSERT ON public.source FOR EACH ROW EXECUTE FUNCTION public.fill();"
        "CREATE FUNCTION public.drop_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" DELETE FROM item WHERE id = {dropped}; RETURN NULL; END $$;"
        'CREATE TRIGGER "!1" AFTER UPDATE ON public.item FOR EACH ROW EXECUTE FUNCTION public.drop_one();'
    )
    await owner.execute("INSERT INTO public.source VALUES (5)")
    present = {row["id"] for row in await owner.fetch("SELECT id FROM public.item")}
    rebuilt: set[int] = set()
    for change in await changes(owner):
        identity = (change.after or change.before or {})["id"]
        (rebuilt.discard if change.op == "D" else rebuilt.add)(identity)
    assert rebuilt == present
