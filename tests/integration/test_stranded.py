"""The dead letters of a sink with a stream for each table: which are found, and that those of other tables cost nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, session
from forwarder.outbox.position import Position, Snapshot
from forwarder.store import dead_letters, stranded
from tests.databases import Database

# Of table 1, say, seq 1, 11, 21 and so on.
LETTERS = """
    INSERT INTO forwarder.dead_letter (
        sink, seq, txid, at, table_id, relation, op, tx_index, tx_count, partition_key, record_bytes, code, reason, retry_at
    )
    SELECT 'default', number * 10 + $1, (number * 10 + $1)::text::xid8, now(), $1, 1, 'I', 1, 1, '', 1, $2, '', CASE WHEN $3 THEN now() END
    FROM generate_series(0, $4 - 1) AS number
"""


@pytest.fixture
async def leader(database: Database) -> AsyncIterator[Connection]:
    """Table 1 has 20,000 letters that wait for their stream, table 2 has three. Table 3 has 20,000 to be sent again, table 2 has two more."""
    async with session(database.url, purpose="leader") as leader:
        for table_id, code, is_due, count in [
            (1, "no-stream", False, 20_000),
            (2, "no-stream", False, 3),
            (3, "replay", True, 20_000),
            (4, "replay", True, 2),
            (5, "oversize", False, 3),
        ]:
            await leader.execute(LETTERS, table_id, code, is_due, count)
        await leader.execute("UPDATE forwarder.dead_letter SET table_id = 2 WHERE table_id = 4")
        yield leader


async def test_letters_that_wait_for_a_stream_and_those_to_be_sent_again_are_found_in_one_order(
    leader: Connection,
) -> None:
    async def waiting(after_seq: int) -> Sequence[int]:
        return await stranded.waiting(leader, sink="default", table_ids=[2, 7], after_seq=after_seq)

    assert await waiting(0) == [2, 4, 12, 14, 22]
    assert await waiting(4) == [12, 14, 22]
    await leader.execute("UPDATE forwarder.dead_letter SET retry_at = now()")
    assert await waiting(0) == [2, 4, 12, 14, 22]
    assert await dead_letters.due_seqs(leader, sink="default", after_seq=0, table_ids=[2, 7]) == [4, 14]


async def test_the_tables_that_have_letters_are_found(leader: Connection) -> None:
    assert await stranded.tables(leader, sink="default") == {1, 2}
    assert await dead_letters.due_tables(leader, sink="default") == [2, 3]
    assert await stranded.tables(leader, sink="other") == set()


async def test_letters_are_beyond_a_position_that_does_not_see_the_newest_or_has_open_transactions(
    leader: Connection,
) -> None:
    def position(txid: int, *running: int) -> Position:
        return Position(delivered=Snapshot(min([txid, *running]), txid, running), floor_seq=0)

    assert await stranded.beyond(leader, position(23), sink="default", table_ids=[2]) is None
    assert await stranded.beyond(leader, position(23, 13), sink="default", table_ids=[2]) is not None
    assert await stranded.beyond(leader, position(22), sink="default", table_ids=[2]) is not None
    assert await stranded.beyond(leader, position(22), sink="default", table_ids=[5]) is None


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("stranded_tables", "'default'"),
        ("due_tables", "'default'"),
        ("newest_stranded", "'default', '{1,2}'"),
        ("waiting_seqs", "'default', '{2}', 0, 500"),
        ("due_seqs_of_tables", "'default', '{2}', 0, 500"),
        ("due_letters", "'default', '{2,4,12,14,22}', 1000000, 1000000, false"),
    ],
)
async def test_letters_of_other_tables_cost_nothing(leader: Connection, name: str, parameters: str) -> None:
    await leader.execute(f"PREPARE measured AS {query(name)}")
    lines = await leader.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE measured ({parameters})")
    plan = json.loads(lines[0][0])[0]["Plan"]
    # All letters are in some 800 blocks, and their seqs in more than 100.
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 60
