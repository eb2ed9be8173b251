"""Whatever happens to the database or to the way to it, nothing is lost and the changes of a row arrive in their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import anyio
import pytest

from forwarder.database import sessions as connections
from forwarder.delivery.lease import LEASE_SECONDS
from forwarder.health import Phase
from forwarder.listen.service import Service
from forwarder.local.postgres import EmbeddedPostgres, StopMode
from forwarder.store.positions import Positions
from tests.databases import BARE_TEMPLATE, MIGRATED_TEMPLATE, Database, connected, copy_of
from tests.ledger import Ledger, Missing, all_delivered, create_accounts, write, write_rows, writing
from tests.listening import STREAM, Served, complains, leads, listening
from tests.proxy import proxy
from tests.waiting import eventually

# Longer than any test: whoever is woken was woken by the bell.
NEVER_SECONDS = 3600.0
FOR_LONG = [pytest.mark.long, pytest.mark.timeout(1800)]
PAUSE_SECONDS = 0.02


async def terminate(database: Database, purpose: str) -> bool:
    """End the server's side of one of the service's connections; whether there was one."""
    async with connected(database.superuser_url) as superuser:
        terminated = await superuser.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = $1",
            f"forwarder {purpose}",
        )
    return bool(terminated)


def holds(ledger: Ledger, served: Served, *ids: int) -> Callable[[], Awaitable[bool]]:
    missing = Missing(ledger, served.data)

    async def arrived() -> bool:
        return missing.ids().isdisjoint(ids)

    return arrived


@pytest.mark.parametrize("restarts", [2, pytest.param(20, marks=FOR_LONG)])
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_of_the_database_loses_nothing(
    own_postgres: EmbeddedPostgres, served: Served, eager: None, mode: StopMode, restarts: int
) -> None:
    ledger = Ledger()
    async with copy_of(MIGRATED_TEMPLATE, own_postgres) as database:
        await create_accounts(database.url)
        async with listening(database.url, served.sink, page_rows=50, max_events=200) as service:
            async with writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS):
                for _ in range(restarts):
                    await leads(service)
                    count = served.kinesis.stream(STREAM).record_count
                    await served.kinesis.wait_for_records(count + 50, stream=STREAM)
                    await own_postgres.stop(mode=mode)
                    await own_postgres.start()
                await leads(service)
            await all_delivered(ledger, served.data)


@pytest.mark.parametrize("cuts", [25, pytest.param(300, marks=FOR_LONG)])
async def test_connections_cut_at_any_moment_lose_nothing_and_end_nothing(
    database: Database, ledger: Ledger, served: Served, eager: None, cuts: int
) -> None:
    random = Random(7)
    async with proxy(database.url) as way, listening(way.url, served.sink, page_rows=20) as service:
        async with writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS):
            for _ in range(cuts):
                # The moments are the point: during connects, reads, saves and sleeps alike.
                await anyio.sleep(random.uniform(0, 0.08))
                way.cut()
        await leads(service)
        await all_delivered(ledger, served.data)


async def test_a_network_that_goes_dark_is_noticed_and_loses_nothing(
    database: Database, ledger: Ledger, served: Served, eager: None
) -> None:
    async with proxy(database.url) as way, listening(way.url, served.sink) as service:
        await leads(service)
        await write(ledger, database.writer_url, transactions=20)
        way.stall()
        await write(ledger, database.writer_url, transactions=20, first_writer=10)
        await eventually(is_in(service, Phase.RECONNECTING))
        assert not service.states["default"].ready
        way.resume()
        await all_delivered(ledger, served.data)
        await leads(service)


async def test_the_server_soon_drops_a_listener_that_vanished_but_not_before_its_lease_is_over(
    database: Database,
) -> None:
    async with connections.session(database.url, purpose="test") as ours:
        idle, interval, count, unacknowledged = [
            int(await ours.fetchval("SELECT setting FROM pg_settings WHERE name = $1", f"tcp_{name}"))
            for name in ("keepalives_idle", "keepalives_interval", "keepalives_count", "user_timeout")
        ]
    assert LEASE_SECONDS + 3 < idle + interval * count <= 25
    assert LEASE_SECONDS + 3 < unacknowledged / 1000 <= 25


@pytest.mark.parametrize("purpose", ["leader", "doorbell", "reader"])
async def test_a_terminated_session_is_replaced_and_nothing_is_lost(
    database: Database, ledger: Ledger, served: Served, eager: None, purpose: str
) -> None:
    async with listening(database.url, served.sink, page_rows=50) as service:
        async with writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS):
            for _ in range(2):
                await leads(service)
                assert await terminate(database, purpose)
                await eventually(is_in(service, Phase.RECONNECTING))
            await leads(service)
        await all_delivered(ledger, served.data)


async def test_others_are_delivered_while_a_transaction_stays_open_and_then_it_is_too(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async with listening(database.url, served.sink) as service, connected(database.writer_url) as slow:
        await leads(service)
        await slow.execute("BEGIN")
        await slow.execute("INSERT INTO account VALUES (100, 1)")
        await write(ledger, database.writer_url, transactions=30)
        await all_delivered(ledger, served.data)
        await slow.execute("COMMIT")
        ledger.inserted(100)
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0


async def test_a_change_with_a_lower_seq_and_a_higher_transaction_id_is_delivered(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async with listening(database.url, served.sink) as service, connected(database.writer_url) as early:
        await leads(service)
        for first in range(100, 120, 2):
            await early.execute("BEGIN; SELECT pg_current_xact_id()")
            async with connected(database.writer_url) as late:
                await late.execute(f"BEGIN; INSERT INTO account VALUES ({first}, 1)")
                await early.execute(f"INSERT INTO account VALUES ({first + 1}, 1); COMMIT")
                ledger.inserted(first + 1)
                await all_delivered(ledger, served.data)
                await late.execute("COMMIT")
                ledger.inserted(first)
                await all_delivered(ledger, served.data)


async def test_a_stop_after_a_late_commit_repeats_nothing(database: Database, ledger: Ledger, served: Served) -> None:
    async with connected(database.writer_url) as slow, listening(database.url, served.sink) as service:
        await leads(service)
        await slow.execute("BEGIN")
        await slow.execute("INSERT INTO account VALUES (100, 1)")
        await write_rows(ledger, database.writer_url, 101)
        await all_delivered(ledger, served.data)
        await slow.execute("COMMIT")
        await served.kinesis.wait_for_records(2, stream=STREAM)
    async with listening(database.url, served.sink):
        await write_rows(ledger, database.writer_url, 102)
        await eventually(holds(ledger, served, 102))
    assert served.kinesis.stream(STREAM).record_count == 3


async def test_a_stop_saves_the_position_while_the_leadership_is_being_proved(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = anyio.Event()

    async def slowly(self: Positions) -> None:
        proving.set()
        with connections.database_errors("cannot prove the leadership"):
            await self._connection.execute("SELECT pg_sleep(0.3)")

    monkeypatch.setattr(Positions, "prove", slowly)
    monkeypatch.setattr("forwarder.listen.checkpoints.HEARTBEAT_SECONDS", 0.05)
    async with listening(database.url, served.sink):
        await proving.wait()
        await write_rows(ledger, database.writer_url, 100)
        await all_delivered(ledger, served.data)
    async with connected(database.url) as owner:
        assert await owner.fetchval("SELECT last_seq FROM forwarder.sink") > 0


async def test_a_snapshot_held_by_another_session_delays_nothing(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async with connected(database.superuser_url) as other, listening(database.url, served.sink) as service:
        await other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await other.fetchval("SELECT pg_current_xact_id()")
        await leads(service)
        await write(ledger, database.writer_url, transactions=30)
        await all_delivered(ledger, served.data)


async def test_wake_ups_are_not_lost_when_writes_meet_the_listener_going_to_sleep(
    database: Database, ledger: Ledger, served: Served
) -> None:
    random = Random(3)
    async with listening(database.url, served.sink, poll_interval_seconds=NEVER_SECONDS) as service:
        await leads(service)
        async with connected(database.writer_url) as writer:
            for count in range(1, 151):
                await writer.execute("INSERT INTO account VALUES ($1, 1)", 1000 + count)
                with anyio.fail_after(10):
                    await served.kinesis.wait_for_records(count, stream=STREAM)
                # From before the last look to long after it.
                await anyio.sleep(random.choice((0, 0.001, 0.002, 0.004, 0.008)))


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=FOR_LONG)])
async def test_wake_ups_are_not_lost_while_the_doorbell_is_replaced(
    database: Database, ledger: Ledger, served: Served, eager: None, rounds: int
) -> None:
    random = Random(5)
    async with listening(database.url, served.sink, poll_interval_seconds=NEVER_SECONDS) as service:
        for identity in range(1000, 1000 + rounds):
            await leads(service)
            await terminate(database, "doorbell")
            # Before, while and after the new LISTEN is put in place.
            await anyio.sleep(random.uniform(0, 0.25))
            await write_rows(ledger, database.writer_url, identity)
            await eventually(holds(ledger, served, identity))
        await all_delivered(ledger, served.data)


async def test_a_database_that_cannot_be_reached_at_start_is_waited_for(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async with proxy(database.url) as way:
        way.refuse()
        async with listening(way.url, served.sink) as service:
            await write(ledger, database.writer_url, transactions=10)
            await complains(service, "cannot connect to PostgreSQL")
            assert service.states["default"].phase is Phase.STARTING
            way.accept()
            await all_delivered(ledger, served.data)
            assert service.states["default"].ready


async def test_a_database_restored_from_a_copy_gets_what_was_not_delivered(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async with listening(database.url, served.sink) as service:
        await leads(service)
        await write(ledger, database.writer_url, transactions=20)
        await all_delivered(ledger, served.data)
    await write(ledger, database.writer_url, transactions=20, first_writer=10)
    async with connected(database.url) as owner:
        # In the other cluster transaction ids were far ahead, and so is the snapshot that was saved there.
        await owner.execute("UPDATE forwarder.sink SET system_identifier = 1, delivered = '900000:900000:'")
    async with listening(database.url, served.sink):
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0


async def test_a_restore_into_another_cluster_loses_nothing_not_even_what_was_in_flight(
    database: Database, ledger: Ledger, served: Served, postgres: EmbeddedPostgres, own_postgres: EmbeddedPostgres
) -> None:
    """The second cluster is fresh: its transaction ids are far below those that came with the rows."""
    pg_dump, psql = postgres.binaries / "pg_dump", postgres.binaries / "psql"
    if not (pg_dump.exists() and psql.exists()):
        pytest.skip("this PostgreSQL comes without pg_dump")
    await write(ledger, database.writer_url, transactions=20)
    async with connected(database.writer_url) as slow, listening(database.url, served.sink) as service:
        await leads(service)
        await slow.execute("BEGIN; INSERT INTO account VALUES (100, 1)")
        await write_rows(ledger, database.writer_url, 101)
        await all_delivered(ledger, served.data)
        await eventually(saved_up_to_the_last_seq(database))
        service.stop()
        # Committed after the last save, with a seq below what was delivered; the dump is taken before it is delivered.
        await slow.execute("COMMIT")
        ledger.inserted(100)
    await write(ledger, database.writer_url, transactions=10, first_writer=10)
    dump = (await anyio.run_process([str(pg_dump), "--dbname", database.superuser_url])).stdout
    async with copy_of(BARE_TEMPLATE, own_postgres) as restored:
        await anyio.run_process([str(psql), "--quiet", "--set=ON_ERROR_STOP=1", restored.superuser_url], input=dump)
        await write(ledger, restored.writer_url, transactions=10, first_writer=20)
        async with listening(restored.url, served.sink):
            await write(ledger, restored.writer_url, transactions=10, first_writer=30)
            # What is sent again bears the name of the new cluster in its id, so here only a look at the seqs finds repeats.
            await eventually(Missing(ledger, served.data).nothing, within_seconds=40)


def saved_up_to_the_last_seq(database: Database) -> Callable[[], Awaitable[bool]]:
    async def saved() -> bool:
        async with connected(database.url) as owner:
            delivered = "SELECT last_seq = (SELECT max(seq) FROM forwarder.outbox) FROM forwarder.sink"
            return bool(await owner.fetchval(delivered))

    return saved


async def test_a_second_listener_stands_by_and_takes_over_from_one_that_lost_its_connections(
    database: Database, ledger: Ledger, served: Served, eager: None
) -> None:
    async with proxy(database.url) as way, listening(way.url, served.sink) as first:
        await leads(first)
        async with (
            listening(database.url, served.sink) as second,
            writing(ledger, database.writer_url, pause_seconds=PAUSE_SECONDS),
        ):
            await eventually(is_in(second, Phase.STANDBY))
            assert second.states["default"].ready
            await served.kinesis.wait_for_records(50, stream=STREAM)
            way.refuse()
            way.cut()
            await leads(second)
            way.accept()
            await eventually(is_in(first, Phase.STANDBY))
        await leads(first)
        await all_delivered(ledger, served.data)


async def test_a_privilege_revoked_while_it_runs_is_waited_for(
    database: Database, ledger: Ledger, served: Served, eager: None
) -> None:
    async with connected(database.superuser_url) as superuser, listening(database.url, served.sink) as service:
        await leads(service)
        await superuser.execute("ALTER TABLE forwarder.sink OWNER TO postgres")
        await write(ledger, database.writer_url, transactions=10)
        await complains(service, "permission denied for table sink")
        await superuser.execute("ALTER TABLE forwarder.sink OWNER TO app_owner")
        await all_delivered(ledger, served.data)
        await leads(service)


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_a_save_that_the_database_undoes_for_others_is_made_again(
    database: Database, ledger: Ledger, served: Served, eager: None, code: str
) -> None:
    async with connected(database.url) as owner, listening(database.url, served.sink) as service:
        await leads(service)
        await owner.execute(
            "CREATE SEQUENCE public.tries; CREATE FUNCTION public.undo() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN IF nextval('public.tries') <= 3 THEN RAISE 'undone' USING ERRCODE = '{code}'; END IF; RETURN NULL; END $$;"
            " CREATE TRIGGER undo AFTER UPDATE ON forwarder.sink EXECUTE FUNCTION public.undo()"
        )
        await write(ledger, database.writer_url, transactions=10)
        await all_delivered(ledger, served.data)

        async def undone_and_saved() -> bool:
            saved = "SELECT (SELECT last_value FROM public.tries) > 3 AND last_seq > 0 FROM forwarder.sink"
            return bool(await owner.fetchval(saved))

        await eventually(undone_and_saved, within_seconds=20)
        await leads(service)


async def test_a_flood_of_notifications_on_our_channel_keeps_nothing_from_being_delivered(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async with listening(database.url, served.sink) as service, connected(database.writer_url) as stranger:
        await leads(service)
        await stranger.execute("SELECT pg_notify('forwarder', number::text) FROM generate_series(1, 50000) AS number")
        await write(ledger, database.writer_url, transactions=10)
        await all_delivered(ledger, served.data)


def is_in(service: Service, phase: Phase) -> Callable[[], Awaitable[bool]]:
    async def is_in_it() -> bool:
        return service.states["default"].phase is phase

    return is_in_it
