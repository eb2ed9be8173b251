from __future__ import annotations

import json

import anyio
import anyio.lowlevel

from forwarder.status.document import Table
from forwarder.status.snapshots import Snapshots
from tests.serving import ScriptedStatus


async def test_whoever_has_other_things_to_do_has_many_turns_while_a_long_list_of_tables_becomes_text() -> None:
    status, turns = ScriptedStatus(tables=5_000), 0
    snapshots = Snapshots(status)
    await snapshots.latest()

    async def deliver() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deliver)
        text = await snapshots.whole()
        tasks.cancel_scope.cancel()

    assert turns > 20
    assert json.loads(text) == json.loads((await snapshots.latest()).document.model_dump_json())


async def test_the_list_of_tables_becomes_text_again_where_it_has_changed() -> None:
    status = ScriptedStatus(tables=3)
    snapshots = Snapshots(status)
    first = await snapshots.latest()
    text = await snapshots.tables(first)
    assert await snapshots.tables(first) is text

    status.tables = [*status.tables[:2], Table(sink="default", table="public.other", state="captured")]
    other = await Snapshots(status).latest()
    assert [table["table"] for table in json.loads(await snapshots.tables(other))] == [
        "public.t0",
        "public.t1",
        "public.other",
    ]
    status.tables = []
    assert await snapshots.tables(await Snapshots(status).latest()) == b"[]"
