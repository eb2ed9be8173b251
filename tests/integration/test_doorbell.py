from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import Mock

import anyio
import asyncpg
import pytest

from forwarder.config.partition_key import BY_PRIMARY_KEY
from forwarder.database.queries import query
from forwarder.database.sessions import session
from forwarder.delivery.sink import Rejection
from forwarder.errors import Refused, Unavailable
from forwarder.health import ServiceState
from forwarder.listen.bodies import SplicedBodies
from forwarder.listen.intake import Intake
from forwarder.listen.large_rows import LargeRows
from forwarder.listen.record_maker import RecordMaker
from forwarder.metrics import Metrics
from forwarder.outbox import doorbell as doorbell_module
from forwarder.outbox.doorbell import CHANNEL, Doorbell
from forwarder.outbox.feed import Feed
from forwarder.outbox.head_reader import HeadReader
from forwarder.outbox.pages import Outbox
from forwarder.outbox.registry import Registry
from forwarder.records.origins import Origin, Origins
from forwarder.records.packing import Packer
from forwarder.records.record import Record
from tests.capture import capture
from tests.databases import Database, connected
from tests.proxy import proxy
from tests.support.relays import START, ReadySink, relay_to, running
from tests.support.unwatched import Unwatched
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

    Base = asyncpg.Connection[asyncpg.Record]
else:
    Base = asyncpg.Connection

# Far beyond what a ring takes, far below the poll interval that a lost one would take.
PROMPT_SECONDS = 5.0
POLL_INTERVAL_SECONDS = 60.0
# No row is large.
NO_IMAGES = SplicedBodies(Mock(), Mock())
NO_LARGE_ROWS = LargeRows(Mock(), BY_PRIMARY_KEY)

IsolationLevel = Literal["read_committed", "repeatable_read", "serializable"]
ISOLATION_LEVELS: tuple[IsolationLevel, ...] = ("read_committed", "repeatable_read", "serializable")


@pytest.fixture(autouse=True)
async def _item(connection: Connection) -> None:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY, version int NOT NULL DEFAULT 0)")
    await capture(connection, "public.item")


@pytest.fixture
async def doorbell(database: Database) -> AsyncIterator[Doorbell]:
    async with session(database.url, purpose="doorbell") as connection:
        doorbell = Doorbell(connection, Metrics().doorbell)
        await doorbell.install()
        yield doorbell


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database.writer_url)
    yield connection
    await connection.close()


class Eavesdropper:
    """Another listener on the channel: hears every notification that is sent at all."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._marked = False
        self._told = 0
        self.heard = 0

    async def listen(self) -> None:
        await self._connection.add_listener(CHANNEL, self._hear)

    async def rings_until_now(self) -> int:
        """Since the last time. Notifications come in the order of commits, so our own is the last of those sent before."""
        await self._connection.execute("SELECT pg_notify($1, 'mark')", CHANNEL)
        await eventually(self._is_marked)
        self._marked = False
        rings, self._told = self.heard - self._told, self.heard
        return rings

    async def _is_marked(self) -> bool:
        return self._marked

    def _hear(self, *arguments: Any) -> None:
        if arguments[-1] == "mark":
            self._marked = True
        else:
            self.heard += 1


@pytest.fixture
async def eavesdropper(database: Database) -> AsyncIterator[Eavesdropper]:
    connection = await asyncpg.connect(database.url)
    eavesdropper = Eavesdropper(connection)
    await eavesdropper.listen()
    yield eavesdropper
    await connection.close()


async def is_rung(doorbell: Doorbell) -> bool:
    """Whether a sleep ends well before its time."""
    started = time.monotonic()
    await doorbell.wait(PROMPT_SECONDS)
    return time.monotonic() - started < PROMPT_SECONDS


async def test_a_commit_rings_the_armed_bell(doorbell: Doorbell, writer: Connection) -> None:
    assert await doorbell.arm()

    await writer.execute("INSERT INTO item VALUES (1)")

    assert await is_rung(doorbell)


async def test_a_ring_between_the_grant_and_the_sleep_is_heard(doorbell: Doorbell, writer: Connection) -> None:
    assert await doorbell.arm()
    await writer.execute("INSERT INTO item VALUES (1)")
    await anyio.wait_all_tasks_blocked()

    assert await is_rung(doorbell)


async def test_nobody_notifies_while_the_listener_is_awake(
    doorbell: Doorbell, writer: Connection, eavesdropper: Eavesdropper
) -> None:
    await writer.execute("INSERT INTO item VALUES (1)")
    assert await doorbell.arm()
    await doorbell.disarm()
    await writer.execute("INSERT INTO item VALUES (2)")

    assert await eavesdropper.rings_until_now() == 0


async def test_a_transaction_rings_once_however_many_rows_it_changes(
    doorbell: Doorbell, writer: Connection, eavesdropper: Eavesdropper
) -> None:
    assert await doorbell.arm()

    await writer.execute("INSERT INTO item SELECT generate_series(1, 1000)")

    assert await eavesdropper.rings_until_now() == 1


async def test_a_rolled_back_change_does_not_ring(
    doorbell: Doorbell, writer: Connection, eavesdropper: Eavesdropper
) -> None:
    assert await doorbell.arm()
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("INSERT INTO item VALUES (1)")
    await transaction.rollback()

    assert await eavesdropper.rings_until_now() == 0


@pytest.mark.parametrize("isolation", ISOLATION_LEVELS)
@pytest.mark.parametrize("commits", [True, False])
async def test_a_writer_that_will_not_ring_refuses_the_bell_until_it_ends(
    doorbell: Doorbell, writer: Connection, isolation: IsolationLevel, *, commits: bool
) -> None:
    transaction = writer.transaction(isolation=isolation)
    await transaction.start()
    await writer.execute("INSERT INTO item VALUES (1)")
    assert not await doorbell.arm()

    await (transaction.commit() if commits else transaction.rollback())

    assert await doorbell.arm()


@pytest.mark.parametrize("isolation", ISOLATION_LEVELS)
async def test_a_writer_with_an_old_snapshot_rings_the_bell_that_was_armed_since(
    doorbell: Doorbell, writer: Connection, isolation: IsolationLevel
) -> None:
    transaction = writer.transaction(isolation=isolation)
    await transaction.start()
    await writer.fetchval("SELECT count(*) FROM item")
    assert await doorbell.arm()

    await writer.execute("INSERT INTO item VALUES (1)")
    await transaction.commit()

    assert await is_rung(doorbell)


async def test_a_savepoint_that_was_rolled_back_leaves_no_lock_behind(doorbell: Doorbell, writer: Connection) -> None:
    async with writer.transaction():
        await writer.execute("SAVEPOINT attempt")
        await writer.execute("INSERT INTO item VALUES (1)")
        await writer.execute("ROLLBACK TO attempt")

        assert await doorbell.arm()
        await writer.execute("INSERT INTO item VALUES (2)")

    assert await is_rung(doorbell)


async def test_a_session_in_poll_mode_never_notifies(
    doorbell: Doorbell, writer: Connection, eavesdropper: Eavesdropper
) -> None:
    await writer.execute("SET forwarder.wake = 'poll'")
    assert await doorbell.arm()

    await writer.execute("INSERT INTO item VALUES (1)")

    assert await eavesdropper.rings_until_now() == 0


async def test_a_write_to_a_table_that_is_paused_rings_no_bell(
    database: Database, doorbell: Doorbell, writer: Connection, eavesdropper: Eavesdropper
) -> None:
    async with connected(database.url) as owner:
        await owner.execute("SELECT forwarder.set_paused(true)")
    assert await doorbell.arm()

    await writer.execute("INSERT INTO item VALUES (1)")

    assert await eavesdropper.rings_until_now() == 0


async def test_the_end_of_the_session_releases_the_bell(database: Database, doorbell: Doorbell) -> None:
    async with session(database.url, purpose="doorbell") as connection:
        assert await Doorbell(connection, Metrics().doorbell).arm()
        assert not await doorbell.arm()

    async def armed() -> bool:
        return await doorbell.arm()

    await eventually(armed)


async def test_a_connection_that_is_cut_while_asleep_is_noticed_at_once(database: Database) -> None:
    async with proxy(database.url) as between, session(between.url, purpose="doorbell") as connection:
        doorbell = Doorbell(connection, Metrics().doorbell)
        await doorbell.install()
        assert await doorbell.arm()
        between.cut()

        assert await is_rung(doorbell)
        with pytest.raises(Unavailable):
            await doorbell.disarm()


async def test_a_connection_that_went_dark_is_noticed_after_the_sleep(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbell_module, "ANSWER_SECONDS", 0.2)
    async with proxy(database.url) as between, session(between.url, purpose="doorbell") as connection:
        doorbell = Doorbell(connection, Metrics().doorbell)
        await doorbell.install()
        assert await doorbell.arm()
        between.stall()

        await doorbell.wait(0.01)
        with pytest.raises(Unavailable, match="cannot disarm"):
            await doorbell.disarm()
        connection.terminate()


class Deaf(Base):
    """A session behind a pooler in transaction mode: its LISTEN was another session's."""

    async def add_listener(self, channel: str, callback: Any) -> None:
        await super().add_listener(channel, callback)
        await self.execute("UNLISTEN *")


async def test_notifications_that_do_not_arrive_are_refused_at_start(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbell_module, "SELF_TEST_SECONDS", 0.1)
    connection = await asyncpg.connect(database.url, connection_class=Deaf)
    try:
        with pytest.raises(Refused, match="connect to PostgreSQL directly"):
            await Doorbell(connection, Metrics().doorbell).install()
    finally:
        await connection.close()


# The listener's loop, with a poll interval that a lost wake-up would have to sit out.


class Latencies(ReadySink):
    """A sink that notes how long after its commit each change arrives."""

    max_in_flight = 4

    def __init__(self) -> None:
        self.arrived: dict[int, float] = {}

    async def publish(self, records: Sequence[Record]) -> Sequence[Rejection]:
        now = time.monotonic()
        self.arrived |= {int(record.data): now for record in records}
        return ()


@asynccontextmanager
async def listening(database: Database, sink: Latencies) -> AsyncIterator[None]:
    """`forwarder listen` between its connections and its sink."""
    relay = relay_to(sink, max_events=10_000, max_bytes=1 << 24)
    async with session(database.url, purpose="doorbell") as bell, session(database.url, purpose="reader") as reader:
        doorbell = Doorbell(bell, Metrics().doorbell)
        await doorbell.install()
        stamp = await reader.fetchval(query("history_stamp"))
        outbox = Outbox(
            reader,
            anyio.Lock(),
            registry=Registry(),
            history_stamp=stamp,
            page_rows=50,
            page_bytes=1 << 20,
            metrics=Metrics().outbox,
        )
        feed = Feed(await outbox.here(), shared=False)
        head_reader = HeadReader(outbox, feed)
        packer = Packer(
            sink,
            origins=Origins([Origin(0, "7")]),
            encode=lambda events: [str(event.key_values).encode() for event in events],
            encode_stored=NO_IMAGES.body,
            choose_key=lambda events: [str(event.key_values) for event in events],
        )
        maker = RecordMaker(packer, large_rows=NO_LARGE_ROWS, bodies=NO_IMAGES)
        intake = Intake(
            feed, outbox, position=START, relay=relay, maker=maker, state=ServiceState(), arrivals=Unwatched()
        )
        async with running(relay), anyio.create_task_group() as tasks:

            async def listen() -> None:
                await head_reader.listen(doorbell, poll_interval_seconds=POLL_INTERVAL_SECONDS)

            tasks.start_soon(listen)
            tasks.start_soon(intake.run)
            yield
            tasks.cancel_scope.cancel()


async def write_now_and_then(
    url: str, *, number: int, until: float, committed: dict[int, float], chance: random.Random
) -> None:
    """Transactions of every kind, with pauses that let the listener fall asleep at any moment."""
    connection = await asyncpg.connect(url)
    try:
        key = number * 1_000_000
        while time.monotonic() < until:
            transaction = connection.transaction(isolation=chance.choice(ISOLATION_LEVELS))
            await transaction.start()
            keys = [key := key + 1 for _ in range(chance.choice([1, 1, 1, 3, 120]))]
            await connection.execute("INSERT INTO item SELECT unnest($1::bigint[])", keys)
            if chance.random() < 0.2:
                await anyio.sleep(chance.random() * 0.02)
            if chance.random() < 0.1:
                await transaction.rollback()
            else:
                await transaction.commit()
                committed |= dict.fromkeys(keys, time.monotonic())
            await anyio.sleep(chance.choice([0, 0.001, 0.004, 0.03]) * chance.random())
    finally:
        await connection.close()


async def test_no_wake_up_is_lost(database: Database) -> None:
    sink, committed = Latencies(), dict[int, float]()
    until = time.monotonic() + 1.5

    async with listening(database, sink):
        async with anyio.create_task_group() as writers:
            for number in range(1, 5):

                async def write(number: int = number) -> None:
                    chance = random.Random(number)
                    url = database.writer_url
                    await write_now_and_then(url, number=number, until=until, committed=committed, chance=chance)

                writers.start_soon(write)

        async def all_arrived() -> bool:
            return sink.arrived.keys() == committed.keys()

        await eventually(all_arrived, within_seconds=PROMPT_SECONDS)

    assert max(sink.arrived[key] - at for key, at in committed.items()) < PROMPT_SECONDS


async def test_a_sleeping_listener_wakes_for_each_of_many_single_commits(
    database: Database, writer: Connection
) -> None:
    sink = Latencies()

    async with listening(database, sink):
        for key in range(1, 101):
            await writer.execute("INSERT INTO item VALUES ($1)", key)

            async def arrived(key: int = key) -> bool:
                return key in sink.arrived

            await eventually(arrived, within_seconds=PROMPT_SECONDS)


async def test_a_long_writer_does_not_keep_the_others_waiting(database: Database, writer: Connection) -> None:
    sink = Latencies()
    long = await asyncpg.connect(database.writer_url)
    try:
        transaction = long.transaction()
        await transaction.start()
        await long.execute("INSERT INTO item VALUES (1)")
        async with listening(database, sink):
            await writer.execute("INSERT INTO item VALUES (2)")

            async def arrived() -> bool:
                return 2 in sink.arrived

            await eventually(arrived, within_seconds=PROMPT_SECONDS)
            await transaction.commit()

            async def both_arrived() -> bool:
                return sink.arrived.keys() == {1, 2}

            await eventually(both_arrived, within_seconds=PROMPT_SECONDS)
    finally:
        await long.close()
