"""What is written for operators alone slows no delivery and no takeover, while somebody has the tables locked that it is written to."""

from __future__ import annotations

from datetime import datetime

import anyio
import pytest

from forwarder.health import Phase
from forwarder.listen import checkpoints
from forwarder.listen.announcer import EVERY_SECONDS
from forwarder.store import statistics
from forwarder.store.statistics import Statistics, read_statistics
from tests.capture import capture
from tests.databases import Database, connected
from tests.ledger import Ledger, write_rows
from tests.listening import CREDENTIALS, Served, leads, listening
from tests.migrating import migrate_tables
from tests.waiting import eventually


@pytest.fixture
async def captured(database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    async with connected(database.url) as owner:
        await migrate_tables(owner, "account")


@pytest.mark.usefixtures("captured")
async def test_positions_are_saved_while_nothing_can_be_added_up(
    database: Database,
    ledger: Ledger,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(checkpoints, "INTERVAL_SECONDS", 0.1)
    async with (
        connected(database.url) as somebody,
        listening(database.url, served.sink, checkpoint_interval_seconds=0.1) as service,
    ):
        await leads(service)

        async def saved_at() -> datetime:
            found: datetime = await somebody.fetchval("SELECT updated_at FROM forwarder.sink")
            return found

        async with somebody.transaction():
            await somebody.execute("LOCK TABLE forwarder.table_statistics IN SHARE MODE")

            async def complains() -> bool:
                return "table statistics are not added up" in caplog.text

            await eventually(complains)
            for number in range(1000, 1003):
                before = await saved_at()
                await write_rows(ledger, database.writer_url, number)

                async def is_saved(before: datetime = before) -> bool:
                    return await saved_at() > before

                # Well before a statement that waits for the lock would be given up.
                await eventually(is_saved, within_seconds=5)
            assert await somebody.fetchval("SELECT count(*) FROM forwarder.tally") == 3

        async def is_added_up() -> bool:
            return not await somebody.fetchval("SELECT count(*) FROM forwarder.tally")

        await eventually(is_added_up)
        (found,) = await read_statistics(somebody)
        assert found.inserts == 3
        assert service.states["default"].phase is Phase.LEADING


@pytest.mark.usefixtures("captured")
async def test_a_standby_takes_over_at_once_while_nobody_can_announce_itself(
    database: Database, served: Served
) -> None:
    async with (
        connected(database.url) as somebody,
        listening(database.url, served.sink) as first,
        listening(database.url, served.sink) as second,
    ):

        async def is_settled() -> bool:
            phases = {service.states["default"].phase for service in (first, second)}
            return phases == {Phase.LEADING, Phase.STANDBY}

        await eventually(is_settled, within_seconds=20)
        leader, standby = (first, second) if first.states["default"].phase is Phase.LEADING else (second, first)
        async with somebody.transaction():
            await somebody.execute("LOCK TABLE forwarder.listener IN ACCESS EXCLUSIVE MODE")
            # Now its next announcement is due.
            await anyio.sleep(EVERY_SECONDS)
            leader.stop()

            async def has_taken_over() -> bool:
                return standby.states["default"].phase is Phase.LEADING

            await eventually(has_taken_over, within_seconds=4)


async def test_however_much_was_counted_it_is_added_up_in_portions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "MOST_ROWS", 400)
    async with connected(database.url) as leader, connected(database.url) as somebody:
        await leader.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
        table_id = await capture(leader, "public.item")
        await leader.execute(
            "INSERT INTO forwarder.tally (sink, table_id, inserts) SELECT 'default', $1, 1 FROM generate_series(1, 1000)",
            table_id,
        )
        adding = Statistics(leader, sink="default")

        # What somebody is in the way of is left for later, and tried with less.
        async with somebody.transaction():
            await somebody.execute("LOCK TABLE forwarder.table_statistics IN SHARE MODE")
            assert await adding.add_up()
        left = []
        while not await adding.add_up():
            left.append(await somebody.fetchval("SELECT count(*) FROM forwarder.tally"))

        assert left == [900 - 100 * number for number in range(10)]
        (found,) = await read_statistics(somebody)
        assert found.inserts == 1000
