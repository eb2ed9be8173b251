from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from forwarder.database.queries import query
from forwarder.database.server_identity import Server, server_of
from forwarder.database.sessions import session
from forwarder.errors import Refused
from forwarder.outbox.survey import read_ring
from forwarder.records.origins import Origin, Origins
from forwarder.store import history
from forwarder.store.positions import Positions
from tests.capture import capture
from tests.clusters import Clusters
from tests.databases import Database, connected

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

# More than can be drawn in the 35 days that a backup on RDS is kept.
FAR = 1 << 36


@pytest.fixture
async def server(connection: Connection, database: Database) -> Server:
    """The server, which this database has known."""
    server = await server_of(connection, url=database.url)
    await history.identify(connection, server)
    return server


async def drawn(connection: Connection) -> int:
    seq: int = await connection.fetchval("SELECT nextval('forwarder.outbox_seq')")
    return seq


async def test_the_first_history_is_only_remembered(
    connection: Connection, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await history.identify(connection, server)

    assert await drawn(connection) == 1
    assert not caplog.records


@pytest.mark.parametrize("part", ["timeline", "system_identifier"])
async def test_in_another_history_seqs_go_on_above_all_that_were_drawn_before(
    connection: Connection, server: Server, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    other = replace(server, **{part: getattr(server, part) + 1})
    await Positions(connection, sink="default").load()
    await connection.execute("UPDATE forwarder.sink SET last_seq = 1")
    before = await drawn(connection) + await drawn(connection)

    await history.identify(connection, other)

    after = await drawn(connection)
    assert after > before + FAR
    [warning] = caplog.records
    assert vars(warning).items() >= {"timeline": other.timeline, "after_seq": 1, "before_seq": after}.items()
    await history.identify(connection, other)
    assert await drawn(connection) == after + 1


async def test_a_restored_history_is_another_one_although_it_was_known_before(
    connection: Connection, server: Server
) -> None:
    await history.identify(connection, replace(server, system_identifier=1))

    await history.identify(connection, server)

    assert await drawn(connection) > 2 * FAR


async def test_the_leaf_in_use_is_closed_by_another_history(connection: Connection, server: Server) -> None:
    await drawn(connection)
    before = (await read_ring(connection)).ahead

    await history.identify(connection, replace(server, timeline=server.timeline + 1))

    await drawn(connection)
    assert (await read_ring(connection)).ahead == [*before[1:], before[0]]


async def test_however_many_notice_another_history_no_seq_is_drawn_twice(
    connection: Connection, database: Database, server: Server
) -> None:
    """Each pretends to be on a server of its own."""
    seqs: list[int] = []
    noticed = anyio.Event()

    async def notice(timeline: int) -> None:
        async with session(database.url, purpose="leader") as leader:
            await history.identify(leader, replace(server, timeline=timeline))

    async def draw() -> None:
        async with connected(database.url) as writer:
            while not noticed.is_set():
                seqs.append(await drawn(writer))

    async with anyio.create_task_group() as writers:
        writers.start_soon(draw)
        writers.start_soon(draw)
        async with anyio.create_task_group() as leaders:
            for timeline in range(10, 20):
                leaders.start_soon(notice, timeline)
        noticed.set()
    assert len(seqs) == len(set(seqs))
    assert await connection.fetchval("SELECT count(*) FROM forwarder.history") == 11


async def test_where_the_sequence_was_not_copied_everything_retained_is_sent_again(
    connection: Connection, database: Database, server: Server
) -> None:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    await capture(connection, "public.item")
    await connection.execute("INSERT INTO item VALUES (1), (2)")
    async with session(database.url, purpose="leader") as leader:
        positions = Positions(leader, sink="default")
        await positions.load()
        await connection.execute(
            "UPDATE forwarder.sink SET last_seq = 1000, delivered = pg_current_snapshot(), system_identifier = 1"
        )

        await history.identify(leader, replace(server, system_identifier=1))

        assert (await positions.load()).last_seq == 0


async def test_a_schema_without_histories_is_refused_with_the_remedy(connection: Connection, server: Server) -> None:
    await connection.execute("DROP FUNCTION forwarder.enter_history")

    with pytest.raises(Refused, match="run `forwarder migrate`: the schema is older than this program"):
        await history.identify(connection, server)


# What ids begin with.


async def origins_of(connection: Connection, database: Database) -> Origins:
    return (await history.identify(connection, await server_of(connection, url=database.url))).origins


async def test_a_change_is_named_by_its_cluster_and_its_database(connection: Connection, database: Database) -> None:
    server = await server_of(connection, url=database.url)
    oid = await connection.fetchval("SELECT oid FROM pg_database WHERE datname = current_database()")

    origins = (await history.identify(connection, server)).origins

    assert origins.newest_first == [Origin(0, f"{server.system_identifier}/{oid}")]


async def test_what_the_release_without_names_may_have_delivered_keeps_its_id(
    connection: Connection, database: Database
) -> None:
    """It goes on to deliver while the next one begins, and knows only the cluster."""
    server = await server_of(connection, url=database.url)
    await connection.fetchrow(query("enter_history"), server.system_identifier, server.timeline)
    await Positions(connection, sink="default").load()
    await connection.execute("SELECT setval('forwarder.outbox_seq', 1000)")

    origins = (await history.identify(connection, server)).origins
    await connection.execute("SELECT setval('forwarder.outbox_seq', 5000)")

    assert origins.name_of(1) == origins.name_of(1000 + (1 << 20)) == str(server.system_identifier)
    assert origins.name_of(1001 + (1 << 20)).startswith(f"{server.system_identifier}/")
    assert (await history.identify(connection, server)).origins == origins


async def test_what_was_delivered_before_a_copy_keeps_its_id_and_what_came_after_has_another(
    connection: Connection, database: Database, server: Server
) -> None:
    before = await origins_of(connection, database)
    await Positions(connection, sink="default").load()
    await connection.execute("UPDATE forwarder.sink SET last_seq = 100; SELECT setval('forwarder.outbox_seq', 200)")
    await connection.execute(
        "UPDATE forwarder.history SET database_oid = 7; UPDATE forwarder.origin SET name = 'before'"
    )

    after = await origins_of(connection, database)

    assert after.name_of(100) == "before"
    assert after.name_of(101).startswith(before.name_of(101) + ".")


async def test_a_promotion_keeps_the_ids_of_what_is_sent_again(
    connection: Connection, database: Database, server: Server
) -> None:
    before = await origins_of(connection, database)

    promoted = replace(server, timeline=server.timeline + 1)
    assert (await history.identify(connection, promoted)).origins == before


async def test_a_position_saved_while_the_history_is_looked_at_is_not_taken_for_a_lost_sequence(
    connection: Connection, database: Database, server: Server
) -> None:
    """Leaders of other sinks go on."""
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    await capture(connection, "public.item")
    ended = anyio.Event()

    async def save() -> None:
        async with session(database.url, purpose="leader") as leader:
            positions = Positions(leader, sink="other")
            position = await positions.load()
            while not ended.is_set():
                await connection.execute("SELECT nextval('forwarder.outbox_seq')")
                floor_seq = await positions.save(position)
                position = replace(position, floor_seq=floor_seq, last_seq=floor_seq)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(save)
        async with session(database.url, purpose="leader") as leader:
            for _ in range(200):
                await history.identify(leader, server)
        ended.set()
    assert await connection.fetchval("SELECT count(*) FROM forwarder.history") == 1


async def test_sessions_of_one_server_know_it(connection: Connection, database: Database, server: Server) -> None:
    async with connected(database.writer_url) as writer:
        assert await server_of(writer, url=database.writer_url) == server


async def test_a_server_that_was_restarted_is_another(clusters: Clusters) -> None:
    async with clusters.server() as server:
        async with connected(server.url()) as superuser:
            before = await server_of(superuser, url=server.url())
        await server.stop()
        await server.start()
        async with connected(server.url()) as superuser:
            after = await server_of(superuser, url=server.url())
    assert before != after
    assert replace(before, started_at=after.started_at) == after
