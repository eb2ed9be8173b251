"""Two-phase commit, on a server that allows it: transactions are prepared at any moment, and what they changed is delivered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from forwarder.database.lock_holders import holders_of_sink
from forwarder.database.queries import query
from forwarder.database.sessions import DOORBELL_LOCK, LEADER_LOCK_CLASS, LOCK_CLASS, session
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.metrics import Metrics
from forwarder.outbox.doorbell import Doorbell
from forwarder.outbox.survey import read_ring
from forwarder.store.leadership import Leadership
from forwarder.store.positions import Positions
from tests.capture import capture
from tests.clusters import Clusters
from tests.databases import OWNER, WRITER, Database, connected
from tests.ledger import Ledger, all_delivered
from tests.listening import CREDENTIALS, Served, command
from tests.migrating import captured
from tests.pooler import needs_pgbouncer, pgbouncer

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

MOST = 20
LEAF_EVENTS = 16
RING = f"SELECT pg_advisory_lock({LOCK_CLASS}, {DOORBELL_LOCK})"
# Of the cluster: no two may be prepared under one name at a time.
PREPARE = "PREPARE TRANSACTION '{}'"


@pytest.fixture(scope="module")
async def postgres(clusters: Clusters) -> AsyncIterator[EmbeddedPostgres]:
    async with clusters.server(max_prepared_transactions=MOST) as server:
        yield server


@pytest.fixture
async def item(connection: Connection) -> None:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    await capture(connection, "public.item")


@pytest.fixture
async def writer(database: Database, item: None) -> AsyncIterator[Connection]:
    async with connected(database.writer_url) as connection:
        yield connection


def environment(database: Database, served: Served, **settings: str) -> Mapping[str, str]:
    return {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": served.sink,
        **settings,
    }


async def commit_in_two_phases(writer: Connection, ledger: Ledger, identity: int) -> None:
    await writer.execute(f"BEGIN; INSERT INTO account VALUES ({identity}, 1)")
    await writer.execute(PREPARE.format(identity))
    await writer.execute(f"COMMIT PREPARED '{identity}'")
    ledger.inserted(identity)


async def test_with_a_sleeping_listener_every_transaction_can_be_prepared_and_is_delivered(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with (
        command("listen", env=environment(database, served), directory=tmp_path / "listen") as listener,
        connected(database.writer_url) as writer,
    ):
        await listener.says(f'wake="the listener will look every 0.1 s: max_prepared_transactions is {MOST}')
        for identity in range(1000, 1010):
            await commit_in_two_phases(writer, ledger, identity)
            # So that the next one meets a listener that has nothing to do.
            await all_delivered(ledger, served.data)
        assert await listener.stop() == 0


async def test_a_doorbell_that_the_user_asks_for_is_warned_of_and_costs_prepared_transactions(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    settings = environment(database, served, FORWARDER_DATABASE_WAKE="doorbell")
    async with (
        command("listen", env=settings, directory=tmp_path / "listen") as listener,
        connected(database.writer_url) as writer,
    ):
        await listener.says("PREPARE TRANSACTION fails where captured tables were changed while the listener slept")
        refused = False
        with anyio.fail_after(60):
            while not refused:
                try:
                    await commit_in_two_phases(writer, ledger, 1000 + ledger.changes)
                except asyncpg.FeatureNotSupportedError:
                    refused = True
        await listener.stop()
    async with command("migrate", env=settings, directory=tmp_path / "migrate") as migrate:
        assert await migrate.ends() == 0
        assert b'wake: writers will notify the listener: wake is "doorbell"\n' in migrate.stdout
        assert "forwarder: warning: wake is" in migrate.stderr


async def test_a_session_in_poll_mode_can_prepare_under_an_armed_doorbell(
    connection: Connection, writer: Connection
) -> None:
    await connection.execute(RING)
    with pytest.raises(asyncpg.FeatureNotSupportedError):
        await writer.execute(f"BEGIN; INSERT INTO public.item VALUES (1); {PREPARE.format('rung')}")
    await writer.execute("ROLLBACK")

    await writer.execute("SET forwarder.wake = 'poll'")
    await writer.execute(f"BEGIN; INSERT INTO public.item VALUES (1); {PREPARE.format('quiet')}")
    await writer.execute("COMMIT PREPARED 'quiet'")

    assert len(await captured(connection)) == 1


async def test_a_prepared_transaction_refuses_the_bell_until_it_is_committed(
    database: Database, writer: Connection
) -> None:
    async with session(database.url, purpose="doorbell") as connection:
        doorbell = Doorbell(connection, Metrics().doorbell)
        await doorbell.install()
        await writer.execute(f"BEGIN; INSERT INTO public.item VALUES (1); {PREPARE.format('bell')}")
        assert not await doorbell.arm()

        await writer.execute("COMMIT PREPARED 'bell'")

        assert await doorbell.arm()


async def test_an_event_of_a_prepared_transaction_keeps_its_key_until_that_is_committed(
    database: Database, connection: Connection, writer: Connection
) -> None:
    emit = "SELECT forwarder.emit('t', '42', '{}')"
    await connection.execute(
        f"GRANT USAGE ON SCHEMA forwarder TO {WRITER}; GRANT EXECUTE ON FUNCTION forwarder.emit TO {WRITER}; {RING}"
    )
    with pytest.raises(asyncpg.FeatureNotSupportedError):
        await writer.execute(f"BEGIN; {emit}; {PREPARE.format('event rung')}")
    await writer.execute(f"ROLLBACK; SET forwarder.wake = 'poll'; BEGIN; {emit}; {PREPARE.format('event')}")
    with pytest.raises(asyncpg.LockNotAvailableError):
        await writer.execute(f"SET lock_timeout = '1ms'; {emit}")

    await writer.execute("COMMIT PREPARED 'event'")

    await writer.execute(emit)
    assert [event.op for event in await captured(connection)] == ["E", "E"]


async def test_a_prepared_transaction_that_has_a_leaders_lock_is_named_and_can_be_ended_as_said(
    database: Database,
) -> None:
    name = f"it's {database.name}"
    prepare = "PREPARE TRANSACTION '{}'".format(name.replace("'", "''"))
    async with connected(database.url) as stranger:
        await stranger.execute(
            f"BEGIN; SELECT pg_advisory_xact_lock({LEADER_LOCK_CLASS}, hashtext('default')); {prepare}"
        )
    async with session(database.url, purpose="leader") as owner:
        [holder] = await holders_of_sink(owner, "default")
        assert holder.flaw == "is no session"
        assert str(holder) == f'prepared transaction "{name}" of role {OWNER}'

        await owner.execute(holder.remedy)
        assert await Leadership(owner, sink="default").take()


async def test_a_prepared_transaction_keeps_its_leaf(database: Database) -> None:
    insert = "INSERT INTO public.item SELECT generate_series(1::bigint, $1)"
    async with session(database.url, purpose="janitor") as owner:
        await owner.execute("CREATE TABLE public.item (id bigint)")
        await owner.execute(f"SELECT forwarder.lay_out({LEAF_EVENTS})")
        await capture(owner, "public.item")
        await owner.execute(f"BEGIN; INSERT INTO public.item VALUES (1); {PREPARE.format('leaf')}")
        await owner.execute(insert, 3 * LEAF_EVENTS)
        await Positions(owner, sink="default").load(start="now")
        [first, *_] = (await read_ring(owner)).leaves
        assert await owner.fetchval(query("reclaim"), first.name, 0.0) is None

        await owner.execute("ROLLBACK PREPARED 'leaf'")

        assert await owner.fetchval(query("reclaim"), first.name, 0.0)


@needs_pgbouncer
async def test_behind_a_pooler_in_transaction_mode_transactions_are_prepared_as_well(
    database: Database, ledger: Ledger, served: Served, tmp_path: Path
) -> None:
    async with (
        pgbouncer(database, pool_size=2) as pooled,
        command("listen", env=environment(database, served), directory=tmp_path / "listen") as listener,
        connected(pooled.writer_url) as writer,
    ):
        await listener.says("listening")
        for identity in range(1000, 1003):
            await writer.execute(f"BEGIN; INSERT INTO account VALUES ({identity}, 1)")
            await writer.execute(PREPARE.format(identity))
            await writer.execute(f"COMMIT PREPARED '{identity}'")
            ledger.inserted(identity)
            await all_delivered(ledger, served.data)
        assert await listener.stop() == 0
