"""A dump that is restored in the place of the database that it was taken of, while a listener delivers that.

The listener has in memory what it has delivered of changes that the restore has forgotten. Nothing of that may count for those that
are written afterwards.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forwarder.config.database import DatabaseSettings
from forwarder.config.settings import ListenSettings, OutboxSettings, Settings, SinkSettings
from forwarder.listen.service import Service
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.metrics import Metrics
from tests.copies import deliver, keys, records, shared_ids, write
from tests.databases import Database, connected
from tests.dumps import archived, dump, restore_in_place
from tests.ledger import create_accounts
from tests.listening import Served, complains, leads, listening, running
from tests.waiting import eventually


@pytest.fixture
async def original(database: Database) -> Database:
    await create_accounts(database.url)
    return database


async def delivered(served: Served, expected: set[int]) -> None:
    async def nothing_is_missing() -> bool:
        return expected <= keys(served)

    await eventually(nothing_is_missing, within_seconds=20)


async def saved(database: Database) -> None:
    """Wait until the position of what is delivered is stored."""

    async def is_saved() -> bool:
        async with connected(database.url) as owner:
            last_seq: int = await owner.fetchval("SELECT min(last_seq) FROM forwarder.sink")
            written_seq: int = await owner.fetchval("SELECT max(seq) FROM forwarder.outbox")
            return last_seq == written_seq

    await eventually(is_saved)


async def tries_twice(caplog: pytest.LogCaptureFixture) -> None:
    """Wait until a listener has tried in vain since now. An attempt may be under way, which began before."""
    caplog.clear()

    async def has_tried() -> bool:
        return [record.message for record in caplog.records].count("trying again") > 1

    await eventually(has_tried, within_seconds=30)


@pytest.mark.parametrize("idle", [True, False], ids=["idle", "busy"])
async def test_a_dump_restored_under_a_listener_is_noticed_and_nothing_written_afterwards_is_lost(
    postgres: EmbeddedPostgres, original: Database, served: Served, *, idle: bool
) -> None:
    """The dump was taken while the same listener led: its row of the sink is that of this tenure."""
    async with listening(original.url, served.sink, checkpoint_interval_seconds=0.05) as service:
        await leads(service)
        await delivered(served, await write(original, 1000, 50))
        await saved(original)
        text = await dump(postgres, original.name)
        await delivered(served, await write(original, 2000, 400))
        await saved(original)

        await restore_in_place(text, original)

        # Fewer than had been drawn before, and then more.
        written = await write(original, 3000, 100)
        if not idle:
            written |= await write(original, 4000, 600)
        await delivered(served, written)
    await deliver(original, served, written | await write(original, 5000, 50))

    assert not shared_ids(served)


async def test_both_sinks_of_a_process_notice_a_restore(
    postgres: EmbeddedPostgres, original: Database, served: Served, tmp_path: Path
) -> None:
    """The first to notice connects anew, and must not read along with what the other has read before the restore."""
    sinks = [SinkSettings(name="stream", url=served.sink), SinkSettings(name="file", url=f"file:{tmp_path}/out")]
    settings = Settings(database=DatabaseSettings(), outbox=OutboxSettings(), listen=ListenSettings())
    async with running(Service(settings, sinks, database_url=original.url, metrics=Metrics())) as service:
        await leads(service)
        await delivered(served, await write(original, 1000, 50))
        await saved(original)
        text = await dump(postgres, original.name)
        await delivered(served, await write(original, 2000, 400))
        await saved(original)

        await restore_in_place(text, original)

        written = await write(original, 3000, 500)
        await delivered(served, written)

        async def all_in_file() -> bool:
            records = map(json.loads, (tmp_path / "out").read_text().splitlines())
            # A look at the triggers may tell by a gap that the table came anew.
            return written <= {record["key"]["id"] for record in records if record["op"] != "gap"}

        await eventually(all_in_file, within_seconds=20)

    assert not shared_ids(served)


async def test_positions_that_somebody_truncates_are_begun_anew(original: Database, served: Served) -> None:
    async with listening(original.url, served.sink) as service:
        await leads(service)
        await delivered(served, await write(original, 1000, 50))
        async with connected(original.url) as owner:
            await owner.execute("TRUNCATE forwarder.sink")
        await complains(service, "removed")

        await delivered(served, await write(original, 2000, 50))

    await deliver(original, served, set())


async def test_a_listener_that_starts_amid_a_restore_waits_for_its_end(
    postgres: EmbeddedPostgres, original: Database, served: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it wrote into tables that are there and empty would meet what is loaded into them: the restore would fail."""
    async with listening(original.url, served.sink) as service:
        await leads(service)
        await delivered(served, await write(original, 1000, 50))
        await saved(original)
        archive = await archived(postgres, original.name, tmp_path)
        await delivered(served, await write(original, 2000, 400))
        await archive.clear(original)
        await archive.restore("pre-data")
        await tries_twice(caplog)
        await archive.restore("data")
        await tries_twice(caplog)
        await archive.restore("post-data")

        written = await write(original, 3000, 100)
        await delivered(served, written)
    await deliver(original, served, written)

    assert not shared_ids(served)
    assert len(records(served)) < 50 + 400 + 100 + 100
