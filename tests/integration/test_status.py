"""What is read of a real database for a status, and how listeners announce themselves in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
import pytest

from forwarder.capture.selection import Pattern, Rule
from forwarder.config.settings import Settings
from forwarder.database.sessions import LEADER_LOCK_CLASS, Connection, session
from forwarder.health import OutboxState, Phase, ServiceState
from forwarder.listen import announcer as announcing
from forwarder.listen.announcer import Announcer
from forwarder.listen.sampler import Sampler
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.metrics import Metrics
from forwarder.outbox.survey import Survey
from forwarder.status.document import Document
from forwarder.status.reading import COUNTED_CLOSELY, read_catalogue, read_facts
from forwarder.status.source import StatusSource
from forwarder.store.listeners import Announcement, Identity, Second, Standing, announce, read_listeners, withdraw
from forwarder.store.positions import Positions
from tests.databases import Database, connected, encoded
from tests.ledger import Ledger, write_rows
from tests.listening import leads, listening
from tests.migrating import migrate_tables
from tests.waiting import eventually


@pytest.fixture
async def own(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="tests") as connection:
        yield connection


def identity(id: str = "a") -> Identity:
    return Identity(id=id, host="here", pid=7, version="1", started_at=datetime.now(UTC))


def saying(phase: str = "leading") -> Announcement:
    return Announcement(sinks={"default": Standing(target="file:x", phase=phase)})


async def test_an_announcement_is_read_as_it_was_written_until_it_is_withdrawn(own: Connection) -> None:
    me = identity()
    await announce(own, me, saying("standby"))
    await announce(own, me, saying())
    (found,) = await read_listeners(own)
    assert (found.id, found.host, found.pid, found.says.sinks["default"].phase) == ("a", "here", 7, "leading")
    assert abs((found.started_at - me.started_at).total_seconds()) < 0.001
    assert not found.is_gone
    await withdraw(own, me)
    assert not await read_listeners(own)


async def test_an_announcement_may_have_what_the_encoding_of_the_database_lacks(postgres: EmbeddedPostgres) -> None:
    standing = Standing(target="file:x", phase="starting", tables=["public.\u4e2d*"], trouble="\u20ac\0")
    async with encoded("LATIN1", postgres) as database, session(database.url, purpose="tests") as connection:
        await announce(connection, identity(), Announcement(sinks={"default": standing}))
        (found,) = await read_listeners(connection)
    assert found.says.sinks["default"].tables == standing.tables


async def test_who_is_silent_is_gone_and_then_swept_away(own: Connection) -> None:
    for id, seconds in (("silent", 20), ("long ago", 61), ("here", 0)):
        await announce(own, identity(id), saying())
        await own.execute(
            f"UPDATE forwarder.listener SET seen_at = clock_timestamp() - interval '{seconds} s' WHERE id = '{id}'"
        )
    await announce(own, identity("here"), saying())
    assert {found.id: found.is_gone for found in await read_listeners(own)} == {"silent": True, "here": False}


async def test_what_another_release_writes_is_read_as_far_as_it_is_understood(own: Connection) -> None:
    await announce(own, identity("later"), saying())
    await announce(own, identity("odd"), saying())
    await own.execute("""UPDATE forwarder.listener SET says = says::jsonb || '{"new": 1}' WHERE id = 'later'""")
    await own.execute("""UPDATE forwarder.listener SET says = '{"sinks": 1}' WHERE id = 'odd'""")
    assert [found.id for found in await read_listeners(own)] == ["later"]


@dataclass
class Process:
    """The announcer of a listener that does nothing else."""

    announcer: Announcer
    state: ServiceState


@pytest.fixture
def process(database: Database) -> Process:
    metrics, state, outbox = Metrics(), ServiceState(), OutboxState()
    survey = Survey(settings=Settings().outbox, state=outbox, metrics=metrics.outbox)
    sampler = Sampler(survey, metrics.doorbell, {"default": (state, metrics.sink("default").totals)})
    announcer = Announcer(
        database.url,
        targets={"default": "file:x"},
        tables={"default": []},
        states={"default": state},
        outbox=outbox,
        sampler=sampler,
        doorbell=metrics.doorbell,
        session_metrics=metrics.sessions,
    )
    return Process(announcer, state)


async def test_a_change_of_state_is_announced_at_once_and_all_else_every_few_seconds(
    own: Connection, process: Process
) -> None:
    async def seen() -> datetime:
        return (await read_listeners(own))[0].seen_at

    await process.announcer.announce(own)
    first = await seen()
    await process.announcer.announce(own)
    assert await seen() == first
    process.state.enter(Phase.LEADING)
    process.state.trouble = "no answer"
    await process.announcer.announce(own)
    (found,) = await read_listeners(own)
    assert found.seen_at > first
    assert found.says.sinks["default"].trouble == "no answer"


async def test_a_process_that_nobody_lends_a_session_announces_itself_and_withdraws_at_its_end(
    own: Connection, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "LONELY_SECONDS", 0.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(process.announcer.run)
        await eventually(lambda: read_listeners(own))
        tasks.cancel_scope.cancel()
    assert not await read_listeners(own)


async def test_a_role_without_the_right_is_no_reason_not_to_deliver(database: Database, process: Process) -> None:
    async with session(database.writer_url, purpose="tests") as writer:
        await process.announcer.announce(writer)
        # The session is as good as before.
        assert await writer.fetchval("SELECT 1") == 1


async def test_a_listener_shows_as_the_leader_with_its_figures_and_is_gone_when_it_has_ended(
    database: Database, ledger: Ledger, own: Connection, tmp_path: object
) -> None:
    async def says() -> Mapping[str, Standing]:
        return {name: found for one in await read_listeners(own) for name, found in one.says.sinks.items()}

    async def has_figures() -> bool:
        return any(standing.figures and standing.figures.now != Second() for standing in (await says()).values())

    source = StatusSource(Settings(), database_url=database.url)
    async with connected(database.url) as owner:
        await migrate_tables(owner, "account")
    async with listening(database.url, f"file:{tmp_path}/out.jsonl") as service:
        await leads(service)
        await write_rows(ledger, database.writer_url, *range(100, 150))
        await eventually(lambda: has_figures(), within_seconds=20)
        told = await source.document()
        assert (told.is_well, told.sinks[0].state) == (True, "delivering")
        assert told.sinks[0].leader
        assert told.sinks[0].live
        assert told.sinks[0].target.startswith("file:")
        # Of the process itself, without a detour.
        inside = StatusSource(Settings(), database_url=database.url, memory=service.announcer)
        told = await inside.document()
        assert told.sinks[0].live
        await eventually(lambda: _points(inside), within_seconds=20)
        await inside.close()
    told = await source.document()
    assert (told.sinks[0].state, told.sinks[0].leader) == ("unled", None)
    await source.close()


async def _points(source: StatusSource) -> bool:
    return bool(source.history().sinks.get("default"))


async def document(database: Database, settings: Settings | None = None) -> Document:
    source = StatusSource(settings or Settings(), database_url=database.url)
    told = await source.document()
    await source.close()
    return told


async def test_lag_is_counted_and_above_a_limit_estimated(database: Database, ledger: Ledger, own: Connection) -> None:
    await Positions(own, sink="default").load(start="oldest")
    for ids in (range(1000, 2500), range(3000, 3000 + COUNTED_CLOSELY)):
        async with connected(database.writer_url) as writer:
            await writer.execute("INSERT INTO account SELECT g, 1, '' FROM unnest($1::int[]) g", [*ids])
        # Numbers that were drawn and not used.
        await own.fetchval("SELECT count(nextval('forwarder.outbox_seq')) FROM generate_series(1, 500)")
        facts = await read_facts(own, database="here")
        if ids.start == 1000:
            before = facts.backlogs["default"].changes
            assert 1500 <= before < 1600
        assert facts.backlogs["default"].waiting_seconds
    assert facts.backlogs["default"].changes >= before + COUNTED_CLOSELY
    assert not facts.sinks[0].is_led


async def test_reading_locks_nothing_and_writes_nothing(database: Database, ledger: Ledger, own: Connection) -> None:
    await read_facts(own, database="here")
    await read_catalogue(own, None)
    await read_catalogue(own, [])
    async with connected(database.superuser_url) as other:
        assert not await other.fetchval("SELECT backend_xid FROM pg_stat_activity WHERE pid = $1", own.get_server_pid())
        assert not await other.fetchval(
            "SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype <> 'virtualxid'", own.get_server_pid()
        )


async def test_tables_are_told_with_what_is_wrong_with_their_capture(database: Database, own: Connection) -> None:
    async def find(name: str, owner: Connection) -> tuple[str, str]:
        (found,) = [table for table in (await document(database)).tables if table.table == name]
        return found.state, found.detail

    await Positions(own, sink="default").load(start="oldest")
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE orders (id integer PRIMARY KEY); CREATE TABLE items (id integer PRIMARY KEY)")
        await migrate_tables(owner, "orders", "items")
        assert await find("public.orders", owner) == ("captured", "")
        await owner.execute('ALTER TABLE orders DISABLE TRIGGER "00_forwarder_capture"')
        state, detail = await find("public.orders", owner)
        assert state == "drifted"
        assert "disabled" in detail
        assert "forwarder migrate" in detail
        await owner.execute("ALTER TABLE orders RENAME TO purchases")
        assert (await find("public.purchases", owner))[0] == "drifted"
        await owner.execute("SELECT forwarder.set_paused(true)")
        assert (await find("public.items", owner))[0] == "paused"
        await owner.execute("SELECT forwarder.set_paused(false)")
        await owner.execute("DROP TABLE items")
        assert (await find("public.items", owner))[0] == "drifted"
        await owner.execute("CREATE TABLE sums (id integer PRIMARY KEY)")
        await migrate_tables(owner, "sums", before="key")
        assert await find("public.sums", owner) == ("captured", "")
        # As the settings of whoever asks do not say.
        source = StatusSource(
            Settings(),
            database_url=database.url,
            rules=[Rule(match=Pattern("public.sums"), options={"before": "full"})],
        )
        (found,) = [table for table in (await source.document()).tables if table.table == "public.sums"]
        assert found.state == "drifted"
        await source.close()


async def test_writers_in_the_way_are_counted_prepared_or_not(
    database: Database, ledger: Ledger, own: Connection
) -> None:
    async with connected(database.writer_url) as writer:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute("INSERT INTO account VALUES (900, 1, '')")
        assert (await read_facts(own, database="here")).writers == 1
        await transaction.rollback()
    assert (await read_facts(own, database="here")).writers == 0


async def test_a_stranger_with_the_leaders_lock_is_named(database: Database, own: Connection) -> None:
    await Positions(own, sink="default").load(start="oldest")
    async with connected(database.writer_url) as stranger:
        await stranger.execute(f"SELECT pg_advisory_lock({LEADER_LOCK_CLASS}, hashtext('default'))")
        told = await document(database)
        assert told.sinks[0].state == "unled"
        assert "the leader's lock of sink 'default' is held by" in told.summary
        assert "pg_terminate_backend" in told.remedy


async def test_a_database_that_is_away_or_has_no_schema_makes_a_document_that_says_so(
    database: Database, bare_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Database(name="", url="postgresql://nobody@127.0.0.1:1/none", writer_url="", superuser_url="")
    told = await document(away)
    assert not told.is_well
    assert told.summary.startswith("cannot connect to PostgreSQL at 127.0.0.1:1")
    assert told.remedy
    assert told.database == "127.0.0.1:1/none"
    assert "forwarder migrate" in (await document(bare_database)).remedy
    async with connected(database.url) as owner:
        await owner.execute("DROP TABLE forwarder.listener")
    older = await document(database)
    assert (older.is_well, older.remedy) == (False, "run `forwarder migrate` first")


async def test_a_source_outlives_its_session_and_closes_it_when_nobody_asks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sessions() -> int:
        async with connected(database.superuser_url) as other:
            found: int = await other.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'forwarder status' AND datname = $1",
                database.name,
            )
        return found

    async def is_closed() -> bool:
        return await sessions() == 0

    async def is_back() -> bool:
        return (await source.document()).outbox is not None

    monkeypatch.setattr("forwarder.status.source.IDLE_SECONDS", 0.05)
    source = StatusSource(Settings(), database_url=database.url)
    assert (await source.document()).outbox
    assert await sessions() == 1
    async with connected(database.superuser_url) as other:
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forwarder status' AND datname = $1",
            database.name,
        )
    await eventually(is_back)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.run)
        await eventually(is_closed)
        assert (await source.document()).outbox
        tasks.cancel_scope.cancel()
    await eventually(is_closed)


async def test_a_database_that_is_away_is_not_asked_by_everybody_who_looks() -> None:
    source = StatusSource(Settings(), database_url="postgresql://nobody@127.0.0.1:1/none")
    first, second = await source.document(), await source.document()
    assert first.summary == second.summary
    assert (second.at - first.at).total_seconds() < 1.0
