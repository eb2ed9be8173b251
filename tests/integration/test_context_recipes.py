"""The recipes of docs/context.md, run as they stand there, with the libraries that they are for."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import asyncpg
import psycopg
import pytest
from django import setup
from django.conf import settings
from django.db import connection as django_connection
from django.db import transaction as django_transaction
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.capture import capture
from tests.databases import Database, connected
from tests.pooler import needs_pgbouncer, pgbouncer
from tests.reading import records

DOCUMENT = Path(__file__).parents[2] / "docs" / "context.md"
PAY = "UPDATE orders SET status = 'paid' WHERE id = 1"


def recipe(heading: str, directory: Path) -> dict[str, Any]:
    """What the code under a heading defines."""
    section = DOCUMENT.read_text().split(f"\n### {heading}\n")[1].split("\n### ")[0]
    [code] = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    file = directory / "recipe.py"
    file.write_text(code)
    return runpy.run_path(str(file))


@pytest.fixture(autouse=True)
async def orders(database: Database) -> None:
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.orders (id integer PRIMARY KEY, status text)")
        await owner.execute("INSERT INTO orders VALUES (1, 'new'), (2, 'new')")
        await capture(owner, "public.orders")


async def contexts(database: Database) -> list[Any]:
    return [record.get("context") for record in await records(database.url)]


async def test_asyncpg(database: Database, tmp_path: Path) -> None:
    pay = recipe("asyncpg", tmp_path)["pay"]
    connection = await asyncpg.connect(database.writer_url)
    await pay(connection, 1, 'ada "the countess"')
    await connection.execute(PAY)
    await connection.close()
    assert await contexts(database) == [{"user": 'ada "the countess"'}, None]


async def test_psycopg(database: Database, tmp_path: Path) -> None:
    pay = recipe("psycopg 3", tmp_path)["pay"]

    def write() -> None:
        with psycopg.connect(database.writer_url, autocommit=True) as connection:
            pay(connection, 1, "ada")
            connection.execute(PAY)

    await anyio.to_thread.run_sync(write)
    assert await contexts(database) == [{"user": "ada"}, None]


@pytest.fixture
def said_by_sqlalchemy(tmp_path: Path) -> Iterator[Any]:
    names = recipe("SQLAlchemy", tmp_path)
    yield names["context"]
    event.remove(Engine, "begin", names["say"])


async def test_sqlalchemy(database: Database, said_by_sqlalchemy: Any) -> None:
    def write() -> None:
        engine = create_engine(database.writer_url.replace("postgresql:", "postgresql+psycopg:"))
        for user in ("ada", None, "bob"):
            said_by_sqlalchemy.set({"user": user} if user else {})
            with engine.begin() as connection:
                connection.execute(text(PAY))
                with connection.begin_nested():
                    connection.execute(text(PAY))
        engine.dispose()

    await anyio.to_thread.run_sync(write)
    assert await contexts(database) == [*2 * [{"user": "ada"}], None, None, *2 * [{"user": "bob"}]]


async def test_sqlalchemy_in_tasks(database: Database, said_by_sqlalchemy: Any) -> None:
    engine = create_async_engine(database.writer_url.replace("postgresql:", "postgresql+asyncpg:"))

    async def write(order: int) -> None:
        said_by_sqlalchemy.set({"order": str(order)})
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE orders SET status = 'paid' WHERE id = :id"), {"id": order})

    async with anyio.create_task_group() as tasks:
        for order in (1, 2):
            tasks.start_soon(write, order)
    await engine.dispose()
    told = {record["key"]["id"]: record["context"] for record in await records(database.url)}
    assert told == {1: {"order": "1"}, 2: {"order": "2"}}


@pytest.fixture(scope="module")
def django() -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}}, USE_TZ=True, LOGGING_CONFIG=None
    )
    setup()


@pytest.mark.usefixtures("django")
async def test_django(database: Database, tmp_path: Path) -> None:
    middleware = recipe("Django", tmp_path)["ContextMiddleware"]
    where = urlsplit(database.writer_url)

    def view(_request: Any) -> str:
        with django_connection.cursor() as cursor:
            # A transaction of its own: nobody has said anything there.
            cursor.execute(PAY)
            with django_transaction.atomic():
                cursor.execute(PAY)
                with django_transaction.atomic():
                    cursor.execute(PAY)
            with django_transaction.atomic():
                cursor.execute(PAY)
        return "paid"

    def serve() -> None:
        django_connection.settings_dict.update(
            HOST=where.hostname, PORT=where.port, USER=where.username, NAME=database.name
        )
        try:
            for user in ("ada", "bob"):
                request = SimpleNamespace(
                    user=SimpleNamespace(get_username=partial(str, user)),
                    path="/pay",
                    headers={"traceparent": "00-1-2-01"},
                )
                assert middleware(view)(request) == "paid"
            view(None)
        finally:
            django_connection.close()

    await anyio.to_thread.run_sync(serve)
    said = [{"user": user, "path": "/pay", "traceparent": "00-1-2-01"} for user in ("ada", "bob")]
    assert await contexts(database) == [None, *3 * [said[0]], None, *3 * [said[1]], *4 * [None]]


@needs_pgbouncer
async def test_behind_a_pooler_nobody_says_what_another_client_of_it_has_set_for_its_transaction(
    database: Database,
) -> None:
    async with (
        pgbouncer(database, pool_size=1) as pooled,
        connected(pooled.writer_url) as one,
        connected(pooled.writer_url) as other,
    ):
        async with one.transaction():
            await one.execute("SELECT set_config('forwarder.context', '\"one\"', true)")
            await one.execute(PAY)
        await other.execute(PAY)
        # What is said of SET.
        await one.execute("SET forwarder.context = '\"one\"'")
        await other.execute(PAY)
    assert await contexts(database) == ["one", None, "one"]
