"""`format=lambda` and `format=cloudevents`, as `forwarder listen` delivers them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.formats.json import JSONFormat

from tests.capture import capture
from tests.databases import Database, connected
from tests.listening import Operator

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

CHANGES = (
    "INSERT INTO public.item VALUES (1, 1.50)",
    "UPDATE public.item SET price = 2",
    "DELETE FROM public.item",
    "TRUNCATE public.item",
)
CHEAP, DEAR = {"id": 1, "price": 1.5}, {"id": 1, "price": 2.0}


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.url) as connection:
        await connection.execute("CREATE TABLE public.item (id integer PRIMARY KEY, price numeric(10,2))")
        await capture(connection, "public.item")
        yield connection


@pytest.fixture
def operator(database: Database, tmp_path: Path) -> Operator:
    return Operator({"FORWARDER_DATABASE_URL": database.url}, tmp_path)


def records_in(file: Path) -> Sequence[Any]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


async def test_rows_are_handed_over_as_the_trigger_for_lambda_does(
    owner: Connection, operator: Operator, tmp_path: Path
) -> None:
    for change in CHANGES:
        await owner.execute(change)
    await operator.says("listen", "--once", "--sink", f"file:{tmp_path}/out.jsonl?format=lambda")

    assert records_in(tmp_path / "out.jsonl") == [
        {"type": "INSERT", "data": CHEAP},
        {"type": "UPDATE", "data": {"old": CHEAP, "new": DEAR}},
        {"type": "DELETE", "data": DEAR},
        {"type": "TRUNCATE", "data": None, "schema": "public", "table": "item"},
    ]


async def test_changes_are_cloud_events_whose_data_is_the_native_record(
    owner: Connection, operator: Operator, tmp_path: Path
) -> None:
    for change in CHANGES:
        await owner.execute(change)
    (tmp_path / "forwarder.toml").write_text(
        f'[[sink]]\nname = "native"\nurl = "file:{tmp_path}/native.jsonl"\n'
        f'[[sink]]\nname = "events"\nurl = "file:{tmp_path}/events.jsonl?format=cloudevents"\n'
    )
    await operator.says("listen", "--once", "--config", f"{tmp_path}/forwarder.toml")

    events = [JSONFormat().read(None, line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
    assert [event.get_type().removeprefix("forwarder.") for event in events] == [
        "row.inserted",
        "row.updated",
        "row.deleted",
        "table.truncated",
    ]
    assert [event.get_data() for event in events] == records_in(tmp_path / "native.jsonl")
    assert {event.get_source().rpartition("/postgresql/")[2].partition("/")[2] for event in events} == {"public/item"}


@pytest.mark.parametrize(
    ("format", "image_of"),
    [("lambda", lambda record: record["data"]), ("cloudevents", lambda record: record["data"]["after"])],
)
async def test_a_large_row_arrives_whole(
    owner: Connection, operator: Operator, tmp_path: Path, format: str, image_of: Any
) -> None:
    await owner.execute("CREATE TABLE public.large (id integer PRIMARY KEY, body text)")
    await capture(owner, "public.large")
    await owner.execute("INSERT INTO public.large VALUES (1, repeat('é\n', 700000))")
    await operator.says("listen", "--once", "--sink", f"file:{tmp_path}/out.jsonl?format={format}")

    [record] = records_in(tmp_path / "out.jsonl")
    assert image_of(record) == {"id": 1, "body": "é\n" * 700_000}
