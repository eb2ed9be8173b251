"""Keeping and changing dead letters: in statements that stay short, however many changes or letters there are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from forwarder.database.queries import query
from forwarder.database.sessions import session
from forwarder.outbox.commit_times import CommitTimes
from forwarder.outbox.event_reader import LARGE_BYTES, EventReader
from forwarder.outbox.registry import Registry, Row
from forwarder.outbox.transactions import Transactions
from forwarder.records.record import SetAside
from forwarder.store import dead_letters
from tests.capture import capture
from tests.databases import Database, connected
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

# So many changes of the outbox a statement may look at that has to do with one of them.
A_FEW = 10


@pytest.fixture
async def leader(database: Database) -> AsyncIterator[Connection]:
    async with session(database.url, purpose="leader") as connection:
        yield connection


async def looked_at(connection: Connection) -> int:
    """How many changes of the outbox the transaction under way has looked at."""
    found: int = await connection.fetchval(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables"
        " WHERE schemaname = 'forwarder' AND relname LIKE 'outbox%'"
    )
    return found


async def test_a_change_is_set_aside_without_a_look_at_the_others_of_its_transaction(
    connection: Connection, leader: Connection
) -> None:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    await capture(connection, "public.item")
    await connection.execute("INSERT INTO item SELECT generate_series(1, 1000)")
    change = SetAside(
        seq=500, partition_key="public.item.500", size=1, code="oversize", reason="", index=500, count=1000
    )

    async with leader.transaction():
        await dead_letters.keep(leader, [change], sink="default")
        assert await looked_at(leader) <= A_FEW

    place = await connection.fetchrow("SELECT tx_index, tx_count FROM forwarder.dead_letter")
    assert place is not None
    assert tuple(place) == (500, 1000)


LETTERS = 30


def aside(*seqs: int, code: str = "oversize") -> list[SetAside]:
    return [SetAside(seq=seq, partition_key="", size=1, code=code, reason="") for seq in seqs]


@pytest.fixture
async def letters(connection: Connection, leader: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some dead letters, and portions that are smaller."""
    monkeypatch.setattr("forwarder.store.portions.MAX_ROWS", 10)
    monkeypatch.setattr("forwarder.store.dead_letters.MAX_ROWS", 10)
    monkeypatch.setattr("forwarder.store.dead_letters.PAGE_LETTERS", 12)
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    await capture(connection, "public.item")
    await connection.execute("INSERT INTO item SELECT generate_series(1, $1::integer)", LETTERS)
    changes = aside(*range(1, LETTERS + 1))
    await dead_letters.keep(leader, changes, sink="default")
    await dead_letters.keep(leader, changes[:5], sink="another")


async def shown(connection: Connection, *names: str) -> list[tuple[Any, ...]]:
    """What `dead-letters show` prints of each letter under these names, by seq."""
    letters = [letter async for page in dead_letters.find(connection) for letter in page]
    bodies = [json.loads(await dead_letters.read(connection, letter)) for letter in letters]
    return [tuple(body[name] for name in names) for body in bodies]


async def test_a_letter_is_shown_as_what_was_done_to_which_row(connection: Connection, leader: Connection) -> None:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY, name text)")
    await capture(connection, "public.item")
    await connection.execute("INSERT INTO item VALUES (1, 'a')")
    await connection.execute("UPDATE item SET id = 2")
    await connection.execute("UPDATE item SET name = 'b'")
    await connection.execute("DELETE FROM item")
    await connection.execute("TRUNCATE item")
    await connection.execute("TRUNCATE item")
    await connection.execute("UPDATE forwarder.outbox SET op = 'G', fault = 'capture paused' WHERE seq = 7")
    await dead_letters.keep(leader, aside(*range(1, 8)), sink="default")

    one, two, renamed = {"id": 1, "name": "a"}, {"id": 2, "name": "a"}, {"id": 2, "name": "b"}
    assert await shown(connection, "op", "before", "after", "moved_to", "moved_from", "fault") == [
        ("insert", None, one, None, None, None),
        ("delete", one, None, {"id": 2}, None, None),
        ("insert", None, two, None, {"id": 1}, None),
        ("update", two, renamed, None, None, None),
        ("delete", renamed, None, None, None, None),
        ("truncate", None, None, None, None, None),
        ("gap", None, None, None, None, "capture paused"),
    ]


async def retry_all(connection: Connection) -> None:
    async for page in dead_letters.find(connection, sink="default"):
        await dead_letters.retry(connection, page)


async def discard_all(connection: Connection) -> None:
    async for page in dead_letters.find(connection, sink="default"):
        await dead_letters.discard(connection, page)


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(
    ("work", "undone"),
    [
        (retry_all, "retry_at IS NULL"),
        (discard_all, "true"),
        (partial(dead_letters.drop_all, sink="default"), "true"),
    ],
    ids=["retry", "discard", "sinks remove"],
)
async def test_letters_are_changed_a_portion_at_a_time_however_many_they_are(
    connection: Connection,
    leader: Connection,
    database: Database,
    work: Callable[[Connection], Coroutine[None, None, None]],
    undone: str,
) -> None:
    async def left() -> int:
        count: int = await connection.fetchval(
            f"SELECT count(*) FROM forwarder.dead_letter WHERE sink = 'default' AND {undone}"
        )
        return count

    async def is_half_done() -> bool:
        return 0 < await left() <= LETTERS - 20

    async with connected(database.url) as holder, anyio.create_task_group() as tasks:
        holding = holder.transaction()
        await holding.start()
        await holder.execute("SELECT FROM forwarder.dead_letter WHERE sink = 'default' AND seq = 25 FOR UPDATE")
        tasks.start_soon(work, leader)
        await eventually(is_half_done)
        await holding.rollback()
    assert await left() == 0
    assert await connection.fetchval("SELECT count(*) FROM forwarder.dead_letter WHERE sink = 'another'") == 5


@pytest.mark.usefixtures("letters")
async def test_letters_are_found_page_by_page_by_each_filter(connection: Connection, leader: Connection) -> None:
    async def found(**filters: object) -> list[tuple[str, int]]:
        pages = dead_letters.find(leader, **filters)  # type: ignore[arg-type]
        return [(letter.sink, letter.seq) async for page in pages for letter in page]

    table_id: int = await connection.fetchval("SELECT max(id) FROM forwarder.captured_table")
    everything = [("another", seq) for seq in range(1, 6)] + [("default", seq) for seq in range(1, LETTERS + 1)]
    assert await found() == everything
    assert await found(tables=[table_id]) == everything
    assert await found(tables=[table_id + 1]) == []
    assert await found(sink="default", seqs=[3, 29]) == [("default", 3), ("default", 29)]
    assert await found(code="oversize", sink="another") == everything[:5]
    assert await found(code="replay") == []


async def is_waiting(connection: Connection, other: Connection) -> bool:
    """Whether a session waits for another one."""
    return bool(await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", other.get_server_pid()))


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize("is_kept", [True, False], ids=["replayed", "undone"])
async def test_a_change_is_set_aside_beside_a_replay_that_makes_it_a_letter_too(
    connection: Connection, leader: Connection, database: Database, *, is_kept: bool
) -> None:
    await connection.execute("DELETE FROM forwarder.dead_letter")
    async with connected(database.url) as other, anyio.create_task_group() as tasks:
        replaying = other.transaction()
        await replaying.start()
        await other.execute(query("replay_changes"), "default", [7], [1], [1])
        tasks.start_soon(partial(dead_letters.keep, leader, aside(7), sink="default"))
        await eventually(partial(is_waiting, connection, leader))
        await (replaying.commit() if is_kept else replaying.rollback())
    rows = await connection.fetch("SELECT seq, code, attempts, retry_at FROM forwarder.dead_letter")
    assert [tuple(row) for row in rows] == [(7, "oversize", 2 if is_kept else 1, None)]


@pytest.mark.usefixtures("letters")
async def test_a_change_that_is_set_aside_twice_at_once_is_one_letter(
    connection: Connection, leader: Connection
) -> None:
    await connection.execute("DELETE FROM forwarder.dead_letter")
    await dead_letters.keep(leader, aside(7, 8, 7), sink="default")
    assert await connection.fetchval("SELECT array_agg(seq ORDER BY seq) FROM forwarder.dead_letter") == [7, 8]


@pytest.mark.usefixtures("letters")
async def test_a_letter_whose_change_is_not_retained_any_more_waits_again_as_it_was(
    connection: Connection, leader: Connection
) -> None:
    await connection.execute("UPDATE forwarder.dead_letter SET retry_at = now(), tx_index = 3, tx_count = 5")
    await connection.execute("DELETE FROM forwarder.outbox")
    await dead_letters.keep(leader, aside(7, code="other"), sink="default")
    row = await connection.fetchrow(
        "SELECT code, attempts, retry_at, tx_index, tx_count, after IS NOT NULL AS is_whole"
        " FROM forwarder.dead_letter WHERE sink = 'default' AND seq = 7"
    )
    assert row is not None
    assert tuple(row) == ("other", 2, None, 3, 5, True)


class Discarding(Registry):
    """Somebody discards letters once they are read, and before their images are."""

    def __init__(self, *seqs: int) -> None:
        super().__init__()
        self._seqs = set(seqs)

    async def learn(self, connection: Connection, rows: Sequence[Row]) -> None:
        await super().learn(connection, rows)
        seqs = [row[0] for row in rows if row[0] in self._seqs]
        await connection.execute(query("discard_letters"), ["default"] * len(seqs), seqs)


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize("is_large", [True, False], ids=["large", "beside-an-illegible-one"])
async def test_letters_that_are_discarded_while_they_are_read_are_not_sent_and_keep_no_others_from_it(
    connection: Connection, leader: Connection, monkeypatch: pytest.MonkeyPatch, *, is_large: bool
) -> None:
    if is_large:
        monkeypatch.setattr("forwarder.outbox.event_reader.LARGE_BYTES", 0)
    else:
        monkeypatch.setattr("forwarder.store.dead_letters.fetch_rows", without_images)
    await connection.execute("UPDATE forwarder.dead_letter SET retry_at = now(), tx_index = seq, attempts = seq + 100")

    reader = EventReader(Discarding(1, 2, 3, 4, 6, 7), Transactions(), CommitTimes(), letters_of="default")
    seqs = await dead_letters.due_seqs(leader, sink="default", after_seq=0)
    none = await dead_letters.read_due(leader, reader, sink="default", seqs=seqs[:4])
    letters = await dead_letters.read_due(leader, reader, sink="default", seqs=seqs[4:8])

    assert (none.events, none.last_seq) == ([], 4)
    assert [(event.seq, event.index, event.fault) for event in letters.events] == [(5, 5, None), (8, 8, None)]
    assert (letters.attempts, letters.last_seq) == ([105, 108], 8)


async def without_images(fetch: Any, name: str, *parameters: object) -> Sequence[Any]:
    leave_all = True
    rows: Sequence[Any] = await fetch(query(name), *parameters, LARGE_BYTES, leave_all)
    return rows


async def replay_backwards(connection: Connection, seqs: list[int]) -> None:
    await connection.execute(query("replay_changes"), "default", seqs, [1] * len(seqs), [1] * len(seqs))


async def set_aside_backwards(connection: Connection, seqs: list[int]) -> None:
    await dead_letters.keep(connection, aside(*seqs), sink="default")


async def retry_backwards(connection: Connection, seqs: list[int]) -> None:
    await connection.execute(query("retry_letters"), ["default"] * len(seqs), seqs)


async def discard_backwards(connection: Connection, seqs: list[int]) -> None:
    await connection.execute(query("discard_letters"), ["default"] * len(seqs), seqs)


async def drop_delivered_backwards(connection: Connection, seqs: list[int]) -> None:
    await connection.execute(query("drop_delivered_letters"), "default", seqs, [1] * len(seqs))


async def drop_all(connection: Connection, seqs: list[int]) -> None:
    await connection.execute(query("drop_letters"), "default", 0, len(seqs), 1 << 30)


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(
    "work",
    [
        replay_backwards,
        set_aside_backwards,
        retry_backwards,
        discard_backwards,
        drop_delivered_backwards,
        drop_all,
    ],
)
async def test_statements_that_meet_at_the_same_letters_lock_them_in_one_order(
    connection: Connection,
    leader: Connection,
    database: Database,
    work: Callable[[Connection, list[int]], Coroutine[None, None, None]],
) -> None:
    # Stored in neither order, some of them not at all, so that it is not the order of the table that helps.
    await connection.execute(
        "DELETE FROM forwarder.dead_letter WHERE sink = 'default' AND seq IN (1, 5);"
        "UPDATE forwarder.dead_letter SET attempts = 1 WHERE sink = 'default' AND seq = 2"
    )
    seqs = list(range(6, 0, -1))
    free = (
        "SELECT coalesce(array_agg(seq), '{}') FROM ("
        " SELECT seq FROM forwarder.dead_letter WHERE sink = 'default' AND seq <= 6 ORDER BY seq FOR UPDATE SKIP LOCKED"
        ") AS free"
    )
    async with connected(database.url) as holder, anyio.create_task_group() as tasks:
        holding = holder.transaction()
        await holding.start()
        await holder.execute("SELECT FROM forwarder.dead_letter WHERE sink = 'default' AND seq = 4 FOR UPDATE")
        tasks.start_soon(work, leader, seqs)
        await eventually(partial(is_waiting, connection, leader))
        assert await connection.fetchval(free) == [6]
        await holding.rollback()
