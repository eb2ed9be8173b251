"""Table statistics: counted with the position, in one statement, and added up afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from forwarder.database.sessions import session
from forwarder.errors import Refused, Unavailable
from forwarder.events import CapturedTable
from forwarder.outbox.position import Position
from forwarder.records.record import SetAside
from forwarder.records.tally import PageCount, Tally
from forwarder.store import dead_letters
from forwarder.store.positions import Positions
from forwarder.store.sink_status import remove_sink
from forwarder.store.statistics import Statistics, TableStatistics, read_statistics
from tests.capture import capture
from tests.databases import OWNER, Database
from tests.support.events import event

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture
async def leader(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="leader") as connection:
        yield connection


@pytest.fixture
async def item(connection: Connection) -> CapturedTable:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    table_id = await capture(connection, "public.item")
    return CapturedTable(id=table_id, relation=1, schema="public", name="item", key_columns=(), before_image="key")


def tally_of(table: CapturedTable, ops: bytes) -> Tally:
    """A change of each of these operations, with images of ten bytes, a second after the other."""
    tally = Tally()
    PageCount(
        [
            event(seq=seq, table=table, op=bytes([op]), image_bytes=10, at=seq * 1_000_000)
            for seq, op in enumerate(ops, start=1)
        ]
    ).count(tally)
    return tally


async def only(connection: Connection) -> TableStatistics:
    [found] = await read_statistics(connection)
    return found


async def test_what_saves_have_counted_is_the_same_before_and_after_it_is_added_up(
    leader: Connection, connection: Connection, item: CapturedTable
) -> None:
    positions, statistics = Positions(leader, sink="default"), Statistics(leader, sink="default")
    position = await positions.load()
    read = []
    for ops in (b"IIUDT", b"ISGE"):
        await positions.save(position, tally=tally_of(item, ops))
        read.append(await only(connection))
        await statistics.add_up()
        assert await only(connection) == read[-1]
        assert await connection.fetchval("SELECT count(*) FROM forwarder.tally") == 0
    await positions.save(position, tally=Tally())
    await statistics.add_up()

    assert (read[0].inserts, read[0].updates, read[0].deletes, read[0].truncates) == (2, 1, 1, 1)
    last = await only(connection)
    assert last == read[-1]
    assert (last.sink, last.table, last.inserts, last.schema_changes, last.others) == (
        "default",
        "public.item",
        3,
        1,
        2,
    )
    assert (last.bytes, last.errors, last.reads) == (90, 0, 0)
    assert last.last_change_at
    assert last.last_change_at.isoformat() == "2000-01-01T00:00:05+00:00"
    assert last.last_delivered_at == await connection.fetchval(
        "SELECT max(last_delivered_at) FROM forwarder.table_statistics"
    )


async def test_a_leader_that_is_deposed_counts_nothing(
    leader: Connection, connection: Connection, item: CapturedTable
) -> None:
    before, after = Positions(leader, sink="default"), Positions(connection, sink="default")
    position = await before.load()
    await after.load()

    with pytest.raises(Unavailable, match="somebody else leads"):
        await before.save(position, tally=tally_of(item, b"I"))

    assert await read_statistics(connection) == []


async def test_counts_come_with_the_position_or_not_at_all(
    leader: Connection, connection: Connection, item: CapturedTable
) -> None:
    await connection.execute("INSERT INTO item VALUES (1)")
    positions = Positions(leader, sink="default")
    position = await positions.load()
    txid = await connection.fetchval("SELECT txid FROM forwarder.outbox")
    await connection.execute("ALTER TABLE forwarder.dead_letter ADD CONSTRAINT full_disk CHECK (seq < 0)")

    with pytest.raises(Unavailable, match="full_disk"):
        await positions.save(
            Position(delivered=position.delivered._replace(xmax=txid + 1, xmin=txid + 1), floor_seq=0, last_seq=1),
            tally=tally_of(item, b"I"),
            aside=[SetAside(seq=1, partition_key="1", size=1, code="oversize", reason="")],
        )

    assert await read_statistics(connection) == []
    assert (await positions.load()).last_seq == 0


async def test_a_change_that_is_set_aside_again_is_one_error(
    leader: Connection, connection: Connection, item: CapturedTable
) -> None:
    await connection.execute("INSERT INTO item VALUES (1), (2), (3)")
    positions = Positions(leader, sink="default")
    position = await positions.load()
    seqs = [seq for (seq,) in await connection.fetch("SELECT seq FROM forwarder.outbox ORDER BY seq")]

    for again in (seqs[:2], seqs[1:], seqs[:2]):
        await positions.save(
            position, aside=[SetAside(seq=seq, partition_key="1", size=1, code="oversize", reason="") for seq in again]
        )

    assert (await only(connection)).errors == 3
    assert (await only(connection)).last_delivered_at is None


async def test_a_sink_that_is_removed_and_comes_back_begins_at_nothing(
    leader: Connection, connection: Connection, item: CapturedTable
) -> None:
    statistics = Statistics(leader, sink="default")
    for is_known_to_an_earlier_release in (False, True):
        position = await Positions(leader, sink="default").load()
        other = Positions(leader, sink="other")
        await other.load()
        for sink in ("default", "other"):
            positions = Positions(leader, sink=sink)
            await positions.load()
            await positions.save(position, tally=tally_of(item, b"I"))
            await statistics.add_up()
            await positions.save(position, tally=tally_of(item, b"I"))
        if is_known_to_an_earlier_release:
            await connection.execute("DELETE FROM forwarder.sink WHERE name = 'default'")
        else:
            await remove_sink(connection, "default", discard=True)
            assert [found.sink for found in await read_statistics(connection)] == ["other"]
        await Positions(leader, sink="default").load()

        assert [found.sink for found in await read_statistics(connection)] == ["other"]


async def test_letters_of_a_replay_of_tables_count_when_they_are_delivered_and_others_do_not(
    leader: Connection, connection: Connection, item: CapturedTable
) -> None:
    await connection.execute("INSERT INTO item VALUES (1), (2), (3); UPDATE item SET id = id WHERE id = 1")
    await Positions(leader, sink="default").load()
    seqs = [seq for (seq,) in await connection.fetch("SELECT seq FROM forwarder.outbox ORDER BY seq")]
    copied = """
        INSERT INTO forwarder.dead_letter
            (sink, seq, txid, at, table_id, relation, op, before, after, tx_index, partition_key, record_bytes, code, reason)
        SELECT 'default', seq, txid, at, table_id, relation, op, before, after, 1, '', 0, $1, '' FROM forwarder.outbox WHERE seq = ANY ($2)
    """
    await connection.execute(copied, "replay", seqs[1:])
    await connection.execute(copied, "oversize", seqs[:1])
    letters = dead_letters.Due([event(seq=seq) for seq in seqs], [1] * 4, seqs[-1])

    await dead_letters.drop_delivered(leader, letters, sink="default")
    await dead_letters.drop_delivered(leader, letters, sink="default")

    found = await only(connection)
    images = "SELECT sum(coalesce(octet_length(before), 0) + octet_length(after)) FROM forwarder.outbox WHERE seq > $1"
    assert (found.inserts, found.updates, found.errors) == (2, 1, 0)
    assert found.bytes == await connection.fetchval(images, seqs[0])
    assert await connection.fetchval("SELECT count(*) FROM forwarder.dead_letter") == 0


async def test_a_sink_is_not_led_without_the_right_to_count(database: Database, leader: Connection) -> None:
    """It would deliver, fail to save the position, and deliver the same again, without end."""
    await Positions(leader, sink="default").load()
    async with session(database.superuser_url, purpose="tests") as superuser:
        await superuser.execute(f"REVOKE INSERT ON forwarder.tally FROM {OWNER}")
        with pytest.raises(Refused, match=r"permission denied for table tally; .*--runtime-role"):
            await Positions(leader, sink="default").load()


async def test_counts_are_written_and_added_up_where_numbers_are_drawn_for_a_second_time(
    database: Database, leader: Connection, connection: Connection, item: CapturedTable
) -> None:
    """As in a database whose tables were copied without their sequences."""
    positions, statistics = Positions(leader, sink="default"), Statistics(leader, sink="default")
    position = await positions.load()
    for times in (1, 3):
        for _ in range(times):
            await positions.save(position, tally=tally_of(item, b"I"))
        await connection.execute("ALTER TABLE forwarder.tally ALTER number RESTART")
        await positions.save(position, tally=tally_of(item, b"I"))
        await statistics.add_up()
        await positions.save(position, tally=tally_of(item, b"I"))
        await connection.execute("ALTER TABLE forwarder.tally ALTER number RESTART")

    for _ in range(2):
        await statistics.add_up()
    assert await connection.fetchval("SELECT count(*) FROM forwarder.tally") == 0
    assert (await only(connection)).inserts == 8
