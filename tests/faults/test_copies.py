"""A copy of a database that is no physical copy of its cluster: a dump restored, beside the original or elsewhere, or a template's copy.

Its positions came along, and must not be taken for its own. What is written in it is delivered, whatever transaction ids and seqs it
bears, under ids that no change of the original has.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product

import pytest

from forwarder.database.queries import query
from forwarder.database.sessions import session
from forwarder.local.postgres import SUPERUSER, EmbeddedPostgres, embedded_postgres
from tests.clusters import Clusters
from tests.conftest import memory_disk
from tests.copies import deliver, records, shared_ids, write
from tests.databases import OWNER, Database, connected, database_on
from tests.dumps import WITHOUT_CHANGES, WITHOUT_SEQUENCE, dump, restore_in_place, restored
from tests.ledger import create_accounts
from tests.listening import Served, leads, listening
from tests.replicas import copied as disk_copy_of

LEAF_EVENTS = 1024


@pytest.fixture
async def original(database: Database) -> Database:
    await create_accounts(database.url)
    return database


@asynccontextmanager
async def template_copy(original: Database, server: EmbeddedPostgres) -> AsyncIterator[Database]:
    name = f"{original.name}_copy"
    async with connected(server.url()) as superuser:
        await superuser.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {original.name}")
    try:
        yield database_on(server, name)
    finally:
        async with connected(server.url()) as superuser:
            await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def copied(kind: str, original: Database, server: EmbeddedPostgres) -> AsyncIterator[Database]:
    if kind == "template":
        async with template_copy(original, server) as copy:
            yield copy
        return
    options = {"full": [], "without changes": [WITHOUT_CHANGES], "without sequence": [WITHOUT_SEQUENCE]}[kind]
    async with restored(await dump(server, original.name, *options), server) as copy:
        yield copy


# Before the copy's listener finds it, writers have drawn no seq, fewer than the original's, or more.
LATE, EARLY, BUSY = 0, 50, 400
KINDS = ["full", "without changes", "without sequence", "template"]
OF_ONE_CLUSTER = [("without changes", BUSY), ("without sequence", LATE), ("template", BUSY)]


@pytest.mark.parametrize(
    ("kind", "written_before"),
    [
        pytest.param(*each, marks=[] if each in OF_ONE_CLUSTER else [pytest.mark.long])
        for each in product(KINDS, (LATE, EARLY, BUSY))
    ],
)
async def test_a_copy_in_the_same_cluster_delivers_all_that_is_written_in_it_under_ids_of_its_own(
    postgres: EmbeddedPostgres,
    original: Database,
    served: Served,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    written_before: int,
) -> None:
    await deliver(original, served, await write(original, 1000, 200))
    async with copied(kind, original, postgres) as copy:
        of_copy = await write(copy, 2000, written_before)
        of_original = await write(original, 5000, 100)
        caplog.clear()
        async with listening(copy.url, served.sink) as service:
            await leads(service)
        of_copy |= await write(copy, 3000, 50)
        await deliver(copy, served, of_copy)
        await deliver(original, served, of_original)

    assert [record.message for record in caplog.records if record.name == "forwarder.store.history"] == [
        "the database was promoted, restored or copied: streams may have what it has forgotten, under seqs in between that come again"
    ]
    assert not shared_ids(served)


async def test_a_dump_restored_in_place_without_the_sequence_is_another_history(
    postgres: EmbeddedPostgres, original: Database, served: Served
) -> None:
    await deliver(original, served, await write(original, 1000, 200))
    text = await dump(postgres, original.name, WITHOUT_SEQUENCE)
    await restore_in_place(text, original)

    await deliver(original, served, await write(original, 2000, 50))

    assert not shared_ids(served)


async def test_a_dump_that_is_restored_in_place_twice_gives_no_id_twice(
    postgres: EmbeddedPostgres, original: Database, served: Served
) -> None:
    await deliver(original, served, await write(original, 1000, 100))
    text = await dump(postgres, original.name)
    for first in (3000, 5000):
        await restore_in_place(text, original)
        async with listening(original.url, served.sink) as service:
            await leads(service)
        await deliver(original, served, await write(original, first, 100))

    assert not shared_ids(served)


async def test_a_dump_of_before_the_first_listener_restored_in_place_is_another_history(
    postgres: EmbeddedPostgres, original: Database, served: Served
) -> None:
    """It knows of no sink and of no name that was ever delivered."""
    first = await write(original, 1000, 50)
    text = await dump(postgres, original.name)
    await deliver(original, served, first | await write(original, 2000, 50))
    for first_key in (3000, 4000):
        await restore_in_place(text, original)
        async with listening(original.url, served.sink) as service:
            await leads(service)
        await deliver(original, served, await write(original, first_key, 100))

    assert not shared_ids(served)
    assert min(record.seq for record in records(served) if record.key and record.key["id"] >= 3000) > 1 << 36


async def test_a_full_dump_restored_in_place_is_another_history(
    postgres: EmbeddedPostgres, original: Database, served: Served
) -> None:
    await deliver(original, served, await write(original, 1000, 100))
    text = await dump(postgres, original.name)
    await deliver(original, served, await write(original, 2000, 100))
    await restore_in_place(text, original)

    async with listening(original.url, served.sink) as service:
        await leads(service)
    await deliver(original, served, await write(original, 3000, 100))

    assert not shared_ids(served)


async def test_two_databases_of_one_cluster_give_no_id_twice(
    original: Database, postgres: EmbeddedPostgres, served: Served
) -> None:
    async with template_copy(original, postgres) as other:
        await deliver(original, served, await write(original, 1000, 50))
        await deliver(other, served, await write(other, 2000, 50))

    assert not shared_ids(served)


async def test_a_database_that_is_renamed_is_the_same(
    postgres: EmbeddedPostgres, original: Database, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    await deliver(original, served, await write(original, 1000, 50))
    count = len(records(served))
    name = f"{original.name}_renamed"
    async with connected(postgres.url()) as superuser:
        await superuser.execute(f"ALTER DATABASE {original.name} RENAME TO {name}")
        try:
            await deliver(database_on(postgres, name), served, await write(database_on(postgres, name), 2000, 50))
        finally:
            await superuser.execute(f"ALTER DATABASE {name} RENAME TO {original.name}")

    assert len(records(served)) == count + 50
    assert not [
        record for record in caplog.records if record.name in ("forwarder.store.history", "forwarder.store.positions")
    ]


# Clusters of different ages.


async def age(server: EmbeddedPostgres, transactions: int = 5_000) -> None:
    """Let a cluster give out so many transaction ids."""
    async with connected(server.url()) as superuser:
        await superuser.execute(
            f"DO $$ BEGIN FOR i IN 1..{transactions} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )


@pytest.mark.parametrize(
    ("older", "kind", "written_before"),
    [
        ("original", "without sequence", BUSY),
        ("copy", "full", LATE),
        pytest.param("original", "full", LATE, marks=pytest.mark.long),
        pytest.param("copy", "full", BUSY, marks=pytest.mark.long),
        pytest.param("copy", "without changes", LATE, marks=pytest.mark.long),
        pytest.param("original", "without changes", BUSY, marks=pytest.mark.long),
        pytest.param("copy", "without sequence", BUSY, marks=pytest.mark.long),
        pytest.param("original", "full", BUSY, marks=pytest.mark.long),
        pytest.param("original", "without changes", LATE, marks=pytest.mark.long),
        pytest.param("original", "without sequence", LATE, marks=pytest.mark.long),
        pytest.param("copy", "without changes", BUSY, marks=pytest.mark.long),
        pytest.param("copy", "without sequence", LATE, marks=pytest.mark.long),
    ],
)
async def test_a_dump_in_another_cluster_loses_nothing_and_keeps_no_leaf(
    own_postgres: EmbeddedPostgres, clusters: Clusters, served: Served, older: str, kind: str, written_before: int
) -> None:
    async with clusters.server("other") as other:
        await age(own_postgres if older == "original" else other)
        original = database_on(own_postgres, "template_migrated")
        await create_accounts(original.url)
        async with connected(original.url) as owner:
            await owner.execute(f"SELECT forwarder.lay_out({LEAF_EVENTS})")
        await deliver(original, served, await write(original, 1000, 200))
        # Written, and not delivered.
        late = await write(original, 2000, 20) if kind == "full" else set()
        options = {"full": [], "without changes": [WITHOUT_CHANGES], "without sequence": [WITHOUT_SEQUENCE]}[kind]
        async with restored(await dump(own_postgres, original.name, *options), other) as copy:
            if kind == "without sequence":
                await _seem_old(copy)
            written = await write(copy, 3000, written_before)
            await deliver(copy, served, written | late)
            await deliver(copy, served, await write(copy, 5000, 50))
            await _pass_two_leaves(copy)
            await deliver(copy, served, await write(copy, 6000, 1))

            async with session(copy.url, purpose="tests") as owner:
                assert [row["waiting_seconds"] for row in await owner.fetch(query("backlogs"))] == [None]
                for leaf in await owner.fetch(query("leaves")):
                    await owner.fetchval(query("reclaim"), leaf["name"], 0.0)
                held = [
                    await owner.fetchval(f"SELECT count(*) FROM {leaf['name']}")
                    for leaf in await owner.fetch(query("leaves"))
                ]
    assert [count for count in held if count] in ([1], [2], [])
    assert not shared_ids(served)


async def _seem_old(copy: Database) -> None:
    """The position was saved some while before the dump was restored; clocks of servers differ by seconds."""
    async with connected(copy.url) as owner:
        await owner.execute("UPDATE forwarder.sink SET updated_at = updated_at - interval '1 minute'")


async def _pass_two_leaves(copy: Database) -> None:
    async with connected(copy.url) as owner:
        await owner.execute(
            "SELECT count(nextval('forwarder.outbox_seq')) FROM generate_series(1, $1::bigint)", 2 * LEAF_EVENTS
        )


async def test_copies_of_the_disk_that_are_told_so_have_ids_of_their_own(
    own_postgres: EmbeddedPostgres, served: Served
) -> None:
    """By what docs/operations.md says. They have all in common with the original and among each other: cluster, timeline, transaction ids."""
    original = database_on(own_postgres, "template_migrated")
    await create_accounts(original.url)
    await deliver(original, served, await write(original, 1000, 50))
    async with disk_copy_of(own_postgres) as one, disk_copy_of(own_postgres) as other:
        await one.start()
        await other.start()
        for first, server in ((2000, own_postgres), (3000, one), (4000, other)):
            database = database_on(server, original.name)
            if server is not own_postgres:
                async with connected(database.url) as owner:
                    await owner.execute("UPDATE forwarder.history SET noticed_at = noticed_at")
            async with listening(database.url, served.sink) as service:
                await leads(service)
            await deliver(database, served, await write(database, first, 50))

    assert not shared_ids(served)


@pytest.mark.parametrize("compacted", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_pg_upgrade_is_no_other_history(
    own_postgres: EmbeddedPostgres, served: Served, caplog: pytest.LogCaptureFixture, *, compacted: bool
) -> None:
    """The cluster has another identifier then, but all else goes on: files, transaction ids, OIDs."""
    original = database_on(own_postgres, "template_migrated")
    async with connected(original.url) as owner:
        if owner.get_server_version().major < 15:
            pytest.skip("pg_upgrade keeps the OIDs of databases since PostgreSQL 15")
    await create_accounts(original.url)
    await age(own_postgres, 3000)
    await deliver(original, served, await write(original, 1000, 50))
    late = await write(original, 2000, 50)
    count = len(records(served))
    if compacted:
        async with connected(original.url) as owner:
            assert await owner.fetchval("SELECT forwarder.compact_sinks(0)")
    async with upgraded(own_postgres) as server:
        caplog.clear()
        copy = database_on(server, original.name)
        await deliver(copy, served, late | await write(copy, 3000, 50))

    assert len(records(served)) == count + 100
    assert max(record.seq for record in records(served)) < 1000
    assert len({record.id.rpartition("/")[0] for record in records(served)}) == 1
    assert not [
        record for record in caplog.records if record.name in ("forwarder.store.history", "forwarder.store.positions")
    ]


@asynccontextmanager
async def upgraded(server: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    """What pg_upgrade makes of a server, which is stopped."""
    async with embedded_postgres(bin_directory=server.binaries, durable=False, parent_directory=memory_disk()) as other:
        await server.stop()
        await other.stop()
        process = await other._run(
            "pg_upgrade",
            *(f"--old-datadir={server.directory / 'data'}", f"--new-datadir={other.directory / 'data'}"),
            *(f"--old-bindir={server.binaries}", f"--new-bindir={other.binaries}"),
            *(f"--old-port={server.port}", f"--new-port={other.port}", f"--username={SUPERUSER}"),
            f"--socketdir={other.directory}",
        )
        assert await process.wait() == 0, other.log.read_text()
        await other.start()
        yield other


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="forwarder")
