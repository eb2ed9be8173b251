"""Standing by: nobody is blocked by it, a stranger in the leader's place is noticed, and the outbox is measured meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from forwarder.config.settings import OutboxSettings
from forwarder.database.lock_holders import holders_of_sink
from forwarder.database.sessions import DOORBELL_LOCK, LOCK_CLASS, session
from forwarder.errors import Unavailable
from forwarder.health import OutboxState, Phase, ServiceState
from forwarder.listen import leader_watch
from forwarder.listen import standby as standby_module
from forwarder.listen.standby import Standby
from forwarder.metrics import Metrics
from forwarder.outbox.survey import Survey, read_ring
from forwarder.store import leadership as leadership_module
from forwarder.store.leadership import Leadership
from forwarder.store.positions import Positions
from tests.databases import WRITER, Database, connected
from tests.ledger import Ledger, write_rows
from tests.proxy import proxy
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def sessions(database: Database) -> AsyncIterator[Sequence[Connection]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(session(database.url, purpose="leader")) for _ in range(2)]


@pytest.fixture(autouse=True)
def _try_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(standby_module, "LOOK_SECONDS", 0.0)
    for name in ("FRESH_SECONDS", "INTRUDERS_SECONDS"):
        monkeypatch.setattr(f"forwarder.outbox.survey.{name}", 0.0)


class Witness:
    """Somebody who stands by, and what he says."""

    def __init__(self, connection: Connection, *, sink: str = "default", **limits: float) -> None:
        self.state = ServiceState(phase=Phase.STANDBY)
        self.outbox = OutboxState()
        self.metrics = Metrics()
        self.leadership = Leadership(connection, sink=sink)
        survey = Survey(settings=OutboxSettings.model_validate(limits), state=self.outbox, metrics=self.metrics.outbox)
        standby = Standby(self.leadership, connection, sink=sink, state=self.state, survey=survey)
        self.wait = standby.wait

    def figure(self, name: str) -> float | None:
        lines = (line.rpartition(" ") for line in self.metrics.exposition().decode().splitlines())
        return next((float(value) for found, _, value in lines if found == name), None)

    def says(self, text: str) -> Callable[[], Awaitable[bool]]:
        async def said() -> bool:
            return text in " ".join((self.state.reason or "", self.state.warning or "", *self.outbox.warnings))

        return said


@asynccontextmanager
async def standing_by(witness: Witness) -> AsyncIterator[Witness]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(witness.wait)
        yield witness
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def stranger(url: str, *, application: str = "psql") -> AsyncIterator[Connection]:
    """Somebody who takes the leader's lock, as any role can that may connect."""
    connection = await asyncpg.connect(url, server_settings={"application_name": application})
    try:
        assert await Leadership(connection, sink="default").take()
        await connection.execute("SET idle_session_timeout = 0")
        yield connection
    finally:
        await connection.close()


async def test_the_second_takes_over_when_the_first_ones_session_ends(
    sessions: Sequence[Connection], connection: Connection, database: Database
) -> None:
    first = Leadership(sessions[0], sink="default")
    await first.take()
    leads = anyio.Event()
    refusals = 0

    async def stand_by() -> None:
        await witness.wait()
        leads.set()

    class Counting(Leadership):
        async def take(self) -> bool:
            nonlocal refusals
            taken = await super().take()
            refusals += not taken
            return taken

    async def was_refused_again_and_again() -> bool:
        return refusals >= 3

    witness = Witness(sessions[1])
    witness.leadership.__class__ = Counting
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stand_by)
        await eventually(was_refused_again_and_again)
        assert not leads.is_set()
        await connection.execute("SELECT pg_terminate_backend($1)", sessions[0].get_server_pid())
        with anyio.fail_after(10):
            await leads.wait()

    async with session(database.url, purpose="third") as third:
        assert not await Leadership(third, sink="default").take()


async def test_standing_by_holds_neither_a_lock_request_nor_a_snapshot(
    sessions: Sequence[Connection], database: Database
) -> None:
    await Leadership(sessions[0], sink="default").take()
    superuser = await asyncpg.connect(database.superuser_url)
    pid = sessions[1].get_server_pid()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Witness(sessions[1]).wait)
            for _ in range(20):
                assert (
                    await superuser.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1", pid) == 0
                )
                assert not await superuser.fetchval(
                    "SELECT backend_xmin IS NOT NULL AND state = 'idle' FROM pg_stat_activity WHERE pid = $1", pid
                )
                await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()
    finally:
        await superuser.close()


async def test_the_server_ends_the_session_of_a_leader_that_asks_nothing(
    sessions: Sequence[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadership_module, "SILENCE_SECONDS", 1.0)
    frozen = Leadership(sessions[0], sink="default")
    assert await frozen.take()

    # It asks every 10 ms, so it is never silent for so long.
    with anyio.fail_after(10):
        await Witness(sessions[1]).wait()

    with pytest.raises(Unavailable):
        await frozen.take()


# Who leads.


async def test_behind_a_leader_all_is_well(sessions: Sequence[Connection], caplog: pytest.LogCaptureFixture) -> None:
    await Leadership(sessions[0], sink="default").take()
    async with standing_by(Witness(sessions[1])) as witness:
        await eventually(measured(witness))
        assert witness.state.ready
        assert witness.state.warning is None
    assert caplog.messages == []


def measured(witness: Witness) -> Callable[[], Awaitable[bool]]:
    async def is_measured() -> bool:
        return bool(witness.figure("forwarder_outbox_bytes"))

    return is_measured


async def test_a_stranger_in_the_leaders_place_is_named_and_with_it_the_remedy_until_it_is_gone(
    sessions: Sequence[Connection], database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    # What it calls itself does not help it.
    async with stranger(database.writer_url, application="forwarder leader") as writer, anyio.create_task_group() as t:
        witness = Witness(sessions[1])
        t.start_soon(witness.wait)
        pid = writer.get_server_pid()
        await eventually(witness.says(f"held by role {WRITER}, application 'forwarder leader', pid {pid}"))
        assert not witness.state.ready
        await sessions[0].fetchval("SELECT 1")
        async with connected(database.superuser_url) as root:
            await root.execute((witness.state.reason or "").partition("end it: ")[2])
        # Now it leads, and `wait` returns.
    assert witness.state.ready
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert [vars(record)["pid"] for record in caplog.records] == [pid]


async def test_a_session_of_our_own_role_that_is_no_listener_is_named_after_some_seconds(
    sessions: Sequence[Connection], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_watch, "PATIENCE_SECONDS", 0.3)
    for url in (database.url, database.superuser_url):
        async with stranger(url), standing_by(Witness(sessions[1])) as witness:
            await eventually(measured(witness))
            await eventually(witness.says("which does not call itself a listener"))


async def test_whoever_saves_leads_though_its_name_is_another(
    sessions: Sequence[Connection], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_watch, "PATIENCE_SECONDS", 0.3)
    async with stranger(database.url, application="pooled") as leader, standing_by(Witness(sessions[1])) as witness:
        await eventually(witness.says("which does not call itself a listener"))
        async with session(database.url, purpose="tests") as other:
            # What it stores is to be what a leader stores, in the same epoch.
            await Positions(other, sink="default").load()
            await eventually(measured(witness))

            async def ready() -> bool:
                await leader.execute("UPDATE forwarder.sink SET updated_at = clock_timestamp()")
                return witness.state.ready

            await eventually(ready)


async def test_a_leader_that_does_not_get_on_is_warned_of_and_the_standby_stays_ready(
    sessions: Sequence[Connection], database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_watch, "STILL_SECONDS", 0.5)
    await Leadership(sessions[0], sink="default").take()
    positions = Positions(sessions[0], sink="default")
    position = await positions.load()
    async with standing_by(Witness(sessions[1])) as witness:
        await write_rows(ledger, database.writer_url, 100)
        await eventually(witness.says("the leader of sink 'default' has saved nothing for"))
        assert f"pid {sessions[0].get_server_pid()}" in (witness.state.warning or "")
        assert witness.state.ready

        await positions.save(position)

        async def is_withdrawn() -> bool:
            return witness.state.warning is None

        await eventually(is_withdrawn)


async def test_the_same_stranger_is_told_of_once_whatever_it_calls_itself(
    sessions: Sequence[Connection], database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with stranger(database.writer_url) as writer, standing_by(Witness(sessions[1])) as witness:
        for number in range(5):
            await writer.execute(f"SET application_name = 'number {number}'")
            await eventually(witness.says(f"application 'number {number}'"))
    assert len(caplog.messages) == 1


async def test_who_stands_by_behind_a_network_that_went_dark_finds_out(
    sessions: Sequence[Connection], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Leadership(sessions[0], sink="default").take()
    async with proxy(database.url) as between, session(between.url, purpose="leader") as connection:
        witness = Witness(connection)

        async def go_dark() -> None:
            await eventually(measured(witness))
            for module in ("store.leadership", "database.lock_holders", "listen.standby", "outbox.survey"):
                monkeypatch.setattr(f"forwarder.{module}.ANSWER_SECONDS", 0.3)
            between.stall()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go_dark)
            with pytest.raises(Unavailable), anyio.fail_after(20):
                await witness.wait()
        connection.terminate()


# What is measured.
# What is measured.


async def test_the_outbox_is_measured_and_its_limits_are_watched(
    sessions: Sequence[Connection], database: Database, ledger: Ledger
) -> None:
    await Leadership(sessions[0], sink="default").take()
    await Positions(sessions[0], sink="default").load()
    await write_rows(ledger, database.writer_url, 100, 101)
    await sessions[0].execute("UPDATE forwarder.outbox SET at = at - interval '10 minutes'")

    async with standing_by(Witness(sessions[1], warn_age_seconds=300)) as witness:
        await eventually(witness.says("sink 'default' has not delivered a change for 6"))
        size = (await read_ring(sessions[0])).bytes
        assert witness.figure("forwarder_outbox_bytes") == size
        assert 600 <= (witness.figure('forwarder_outbox_waiting_seconds{sink="default"}') or 0) < 700
        assert witness.state.ready


async def test_a_sink_that_is_removed_is_measured_no_more(sessions: Sequence[Connection]) -> None:
    await Leadership(sessions[0], sink="default").take()
    await Positions(sessions[0], sink="other").load()
    name = 'forwarder_outbox_waiting_seconds{sink="other"}'
    async with standing_by(Witness(sessions[1])) as witness:

        async def is_there() -> bool:
            return witness.figure(name) is not None

        async def is_gone() -> bool:
            return witness.figure(name) is None

        await eventually(is_there)
        await sessions[0].execute("DELETE FROM forwarder.sink WHERE name = 'other'")
        await eventually(is_gone)


async def test_who_cannot_measure_says_so_and_still_takes_over(
    sessions: Sequence[Connection], database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(database.url) as owner:
        await owner.execute(
            "DROP FUNCTION forwarder.leaves CASCADE; ALTER TABLE forwarder.sink RENAME updated_at TO gone"
        )
    await Leadership(sessions[0], sink="default").take()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Witness(sessions[1]).wait)

        async def said() -> bool:
            return "the outbox is not measured; trying again" in caplog.messages

        await eventually(said)
        await anyio.sleep(0.1)
        sessions[0].terminate()
    assert [caplog.messages.count(message) for message in set(caplog.messages)] == [1, 1]
    assert (await holders_of_sink(sessions[1], "default"))[0].pid == sessions[1].get_server_pid()


async def test_what_was_measured_a_moment_ago_is_not_measured_again(
    sessions: Sequence[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.outbox.survey.FRESH_SECONDS", 60.0)
    metrics = Metrics()
    survey = Survey(settings=OutboxSettings(), state=OutboxState(), metrics=metrics.outbox)
    await survey.measure(sessions[0], outbox_bytes=1, is_paused=False)

    await survey.renew(sessions[1])

    assert "forwarder_outbox_bytes 1.0" in metrics.exposition().decode()


async def test_a_stranger_that_keeps_the_doorbell_armed_is_warned_of(
    sessions: Sequence[Connection], database: Database
) -> None:
    await Leadership(sessions[0], sink="default").take()
    async with (
        session(database.url, purpose="doorbell") as ours,
        connected(database.writer_url) as writer,
        standing_by(Witness(sessions[1])) as witness,
    ):
        take = f"SELECT pg_advisory_lock({LOCK_CLASS}, {DOORBELL_LOCK})"
        await ours.execute(take)
        await eventually(measured(witness))
        assert witness.outbox.warnings == ()
        await ours.execute("SELECT pg_advisory_unlock_all()")
        await writer.execute(take)
        await eventually(witness.says(f"the doorbell's lock is held by role {WRITER}"))
        assert witness.state.ready
