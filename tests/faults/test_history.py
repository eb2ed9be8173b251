"""Another server takes the database over by way of a physical copy: a promoted replica, or a restore to a point in time.

It has all that was committed up to some moment, positions included, and has forgotten what came after, although the stream has
it. What is written since must be delivered, whatever transaction ids and seqs it bears.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from random import Random

import anyio
import msgspec
import pytest

from forwarder.config.settings import Settings, SinkSettings
from forwarder.database.sessions import LEADER_LOCK_CLASS, describe
from forwarder.demo.audit import Findings
from forwarder.demo.audit import audit as compare
from forwarder.demo.ledger import Arrival
from forwarder.listen.service import Service
from forwarder.local.postgres import EmbeddedPostgres
from forwarder.metrics import Metrics
from tests.databases import MIGRATED_TEMPLATE, Database, connected, copy_of, database_on
from tests.ledger import Ledger, Missing, all_delivered, arrival, create_accounts, write, write_rows, writing
from tests.listening import STREAM, Served, complains, leads, listening, running
from tests.proxy import proxy
from tests.replicas import caught_up, copied, cut_off, follow, promote, restore
from tests.waiting import eventually

# More than the 32 seqs by which the WAL is ahead of the sequence, so that some are drawn again.
FORGOTTEN_IDS = range(500, 560)
# Written when the listener is on the other server.
LATE_ID = 900
# Seqs of another history go on so much higher at least.
FAR = 1 << 36
# The form of times in records.
ISO = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'

pytestmark = pytest.mark.slow


@pytest.fixture
async def original(own_postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database on a server that can be copied."""
    async with copy_of(MIGRATED_TEMPLATE, own_postgres) as database:
        await create_accounts(database.url)
        yield database


async def write_what_will_be_forgotten(database: Database, served: Served) -> None:
    """Changes in transactions of their own, delivered, and in no ledger."""
    count = served.kinesis.stream(STREAM).record_count
    async with connected(database.writer_url) as writer:
        for identity in FORGOTTEN_IDS:
            await writer.execute("INSERT INTO account VALUES ($1, 1)", identity)
    await served.kinesis.wait_for_records(count + len(FORGOTTEN_IDS), stream=STREAM)


class _Origin(msgspec.Struct):
    seq: int
    txid: str
    at: str


def change_of(data: bytes) -> tuple[int, str, str]:
    """What tells the change of a record from all others, of other histories too."""
    origin = msgspec.json.decode(data, type=_Origin)
    return origin.seq, origin.txid, origin.at


def findings(ledger: Ledger, stream: Sequence[bytes]) -> Findings:
    """An audit that tells two changes of one id apart, as a consumer does that looks at more than the id."""
    return compare(ledger.commits, [replace(arrival(data), id=str(change_of(data))) for data in stream])


async def nothing_written_since_is_lost(ledger: Ledger, served: Served) -> None:
    await eventually(Missing(ledger, served.data).nothing, within_seconds=40)
    found = findings(ledger, served.data())
    assert not found.lost
    assert not found.out_of_order
    assert {change.key[0] for change in found.phantoms} == set(FORGOTTEN_IDS)
    seqs = {read.change.key[0]: read.seq for read in map(arrival, served.data())}
    assert seqs[LATE_ID] > max(seqs[identity] for identity in FORGOTTEN_IDS) + FAR


async def everything_in(database: Database, served: Served) -> None:
    """Wait until every change that the database has is in the stream, and see that those of one row came in order."""
    async with connected(database.url) as owner:
        outbox = await owner.fetch(
            "SELECT seq, txid::text, to_char(at AT TIME ZONE 'UTC', $1) FROM forwarder.outbox", ISO
        )
    kept = {tuple(row) for row in outbox}

    changes: dict[bytes, tuple[int, str, str]] = {}

    async def nothing_is_missing() -> bool:
        changes.update((data, change_of(data)) for data in served.data() if data not in changes)
        return kept <= set(changes.values())

    await eventually(nothing_is_missing, within_seconds=40)
    # A repeat comes from its predecessor's place on; what counts is when each was first there.
    first: dict[tuple[int, str, str], Arrival] = {}
    for data in served.data():
        first.setdefault(change_of(data), arrival(data))
    last_seqs: dict[tuple[int, ...], int] = {}
    for change, read in first.items():
        if change in kept:
            assert read.seq > last_seqs.get(read.change.key, 0)
            last_seqs[read.change.key] = read.seq


async def gave_the_same_transaction_ids(original: Database, copy: Database) -> None:
    """Or the test would prove little: the copy gave ids of what is forgotten to other changes, and went on past them."""
    forgotten, written = await txids(original, FORGOTTEN_IDS), await txids(copy, range(1 << 40))
    assert forgotten & written
    assert max(forgotten) < max(written)


async def end_session_of_leader(sink: str, database: Database) -> None:
    async with connected(database.superuser_url) as superuser:
        held = await superuser.fetchval(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = $1 AND objid = hashtext($2)::bigint & 4294967295",
            LEADER_LOCK_CLASS,
            sink,
        )
    assert held


async def txids(database: Database, ids: range) -> set[int]:
    """The transactions that wrote these rows."""
    async with connected(database.url) as owner:
        rows = await owner.fetch(
            "SELECT txid FROM forwarder.outbox WHERE (after::json ->> 'id')::bigint BETWEEN $1 AND $2",
            ids.start,
            ids.stop - 1,
        )
    return {row["txid"] for row in rows}


async def test_a_promoted_replica_that_lacks_what_was_delivered_loses_nothing_written_since(
    own_postgres: EmbeddedPostgres, original: Database, served: Served, eager: None
) -> None:
    ledger = Ledger()
    async with copied(own_postgres) as replica, proxy(original.url) as way:
        await follow(replica, server=own_postgres)
        async with listening(way.url, served.sink) as service:
            await leads(service)
            await write(ledger, original.writer_url, transactions=20)
            await all_delivered(ledger, served.data)
            await caught_up(replica, server=own_postgres)
            await cut_off(replica)
            await write_what_will_be_forgotten(original, served)
            way.refuse()
            way.cut()
            await promote(replica)
            promoted = database_on(replica, original.name)
            # It goes well past what the other has given out before the listener finds it.
            await write(ledger, promoted.writer_url, transactions=60, first_writer=10)
            way.lead_to(promoted.url)
            way.accept()
            await leads(service)
            await write(ledger, promoted.writer_url, transactions=20, first_writer=20)
            await write_rows(ledger, promoted.writer_url, LATE_ID)
            await nothing_written_since_is_lost(ledger, served)
        await gave_the_same_transaction_ids(original, promoted)


async def test_a_restore_to_a_point_in_time_loses_nothing_written_since(
    own_postgres: EmbeddedPostgres, original: Database, served: Served
) -> None:
    ledger = Ledger()
    async with copied(own_postgres) as copy:
        async with listening(original.url, served.sink) as service:
            await leads(service)
            await write(ledger, original.writer_url, transactions=20)
            await all_delivered(ledger, served.data)
            async with connected(original.superuser_url) as superuser:
                await superuser.execute("SELECT pg_create_restore_point('before_the_mistake')")
            await write_what_will_be_forgotten(original, served)
        await restore(copy, server=own_postgres, point="before_the_mistake")
        restored = database_on(copy, original.name)
        await write(ledger, restored.writer_url, transactions=60, first_writer=10)
        async with listening(restored.url, served.sink) as service:
            await leads(service)
            await write(ledger, restored.writer_url, transactions=20, first_writer=20)
            await write_rows(ledger, restored.writer_url, LATE_ID)
            await nothing_written_since_is_lost(ledger, served)
        await gave_the_same_transaction_ids(original, restored)


@pytest.mark.parametrize("promotions", [2, pytest.param(15, marks=pytest.mark.long)])
async def test_replicas_promoted_at_any_moment_lose_nothing_that_they_have(
    own_postgres: EmbeddedPostgres, original: Database, served: Served, eager: None, promotions: int
) -> None:
    """Each is cut off from the one before while that is written to, delivered from, and saves its positions."""
    random = Random(promotions)
    # What is forgotten stands in it too, so it is not what this test compares with.
    ledger = Ledger()
    server, database = own_postgres, original
    async with AsyncExitStack() as copies, proxy(original.url) as way:
        settings = {"page_rows": 20, "checkpoint_interval_seconds": 0.05}
        async with listening(way.url, served.sink, **settings) as service:
            for promotion in range(promotions):
                replica = await copies.enter_async_context(copied(server))
                await follow(replica, server=server)
                async with writing(ledger, database.writer_url, first_writer=3 * promotion):
                    await leads(service)
                    # The moments are the point.
                    await anyio.sleep(random.uniform(0.1, 0.6))
                    await cut_off(replica)
                    await anyio.sleep(random.uniform(0, 0.2))
                way.refuse()
                way.cut()
                await promote(replica)
                server, database = replica, database_on(replica, database.name)
                await write(ledger, database.writer_url, transactions=30, first_writer=1000 + 3 * promotion)
                way.lead_to(database.url)
                way.accept()
                await everything_in(database, served)
        async with connected(database.url) as owner:
            assert await owner.fetchval("SELECT count(*) FROM forwarder.history") == promotions + 1


async def test_what_was_read_on_one_server_is_not_delivered_for_a_leader_on_another(
    own_postgres: EmbeddedPostgres, original: Database, served: Served, tmp_path: Path, eager: None
) -> None:
    """Two sinks share what is read; the session of only one of them ends, and finds the new server."""
    ledger = Ledger()
    other = SinkSettings(name="other", url=f"file:{tmp_path / 'records'}", start="oldest")
    async with copied(own_postgres) as replica, proxy(original.url) as way:
        await follow(replica, server=own_postgres)
        sinks = [SinkSettings(url=served.sink), other]
        async with running(Service(Settings(), sinks, database_url=way.url, metrics=Metrics())) as service:
            await leads(service)
            await write(ledger, original.writer_url, transactions=20)
            await all_delivered(ledger, served.data)
            await caught_up(replica, server=own_postgres)
            await promote(replica)
            promoted = database_on(replica, original.name)
            way.lead_to(promoted.url)
            await end_session_of_leader("other", original)
            await write(ledger, promoted.writer_url, transactions=20, first_writer=10)
            await all_delivered(ledger, served.data)
            await all_delivered(ledger, lambda: (tmp_path / "records").read_bytes().splitlines())


async def test_a_standby_is_waited_for_until_it_is_promoted(
    own_postgres: EmbeddedPostgres, original: Database, served: Served, eager: None
) -> None:
    ledger = Ledger()
    async with copied(own_postgres) as replica:
        await follow(replica, server=own_postgres)
        copy = database_on(replica, original.name)
        async with listening(copy.url, served.sink) as service:
            await complains(service, f"PostgreSQL at {describe(copy.url)} is a standby")
            await write(ledger, original.writer_url, transactions=20)
            await caught_up(replica, server=own_postgres)
            await promote(replica)
            await all_delivered(ledger, served.data)
