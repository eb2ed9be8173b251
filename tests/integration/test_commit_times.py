"""``committed_at``: where the server keeps the times of commits, each record has that of its transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from forwarder.database.queries import query
from forwarder.database.sessions import session
from forwarder.outbox.registry import Registry
from tests.capture import capture
from tests.clusters import Clusters
from tests.databases import MIGRATED_TEMPLATE, Database, copy_of
from tests.reading import BEGINNING, Reader, records

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


@pytest.fixture(scope="module")
async def keeping(clusters: Clusters) -> AsyncIterator[Any]:
    """A server that keeps the times of commits."""
    async with clusters.server(track_commit_timestamp="on") as server:
        yield server


@pytest.fixture
async def database(keeping: Any) -> AsyncIterator[Database]:
    """One on that server."""
    async with copy_of(MIGRATED_TEMPLATE, keeping) as copy:
        yield copy


@pytest.fixture
async def item(connection: Connection) -> None:
    await connection.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    await capture(connection, "public.item")


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


@pytest.mark.parametrize("page_rows", [1000, 2], ids=["a batch", "pages"])
@pytest.mark.usefixtures("item")
async def test_each_record_has_the_time_of_its_commit(
    database: Database, connection: Connection, page_rows: int
) -> None:
    await connection.execute("INSERT INTO item VALUES (1)")
    async with connection.transaction():
        await connection.execute("INSERT INTO item VALUES (2)")
        await connection.execute("SAVEPOINT inner_part; INSERT INTO item VALUES (3); RELEASE inner_part")
        await connection.execute("TRUNCATE item")
        before_commit = await connection.fetchval("SELECT clock_timestamp()")
    rows = await connection.fetch("SELECT DISTINCT txid, pg_xact_commit_timestamp(txid::xid) FROM forwarder.outbox")
    found = await records(database.url, page_rows=page_rows)
    assert [record["op"] for record in found] == ["insert", "insert", "insert", "truncate"]
    for record in found:
        assert moment(record["committed_at"]) in [
            committed_at for txid, committed_at in rows if txid == int(record["txid"])
        ]
        assert moment(record["committed_at"]) >= moment(record["at"])
    assert moment(found[-1]["committed_at"]) >= before_commit > moment(found[-1]["at"])


@pytest.mark.usefixtures("item")
async def test_a_time_that_the_server_has_forgotten_is_left_out(database: Database, connection: Connection) -> None:
    await connection.execute("INSERT INTO item VALUES (1)")
    own = await connection.fetchval("SELECT txid FROM forwarder.outbox")
    await connection.execute(
        "INSERT INTO forwarder.outbox (txid, table_id, relation, op, after)"
        " SELECT '5', table_id, relation, op, after FROM forwarder.outbox"
    )
    async with session(database.url, purpose="test") as reader:
        rows = await reader.fetch(query("commit_times"), [own, 5, own + (1 << 32), 1 << 40])
    assert [row["txid"] for row in rows] == [own]
    assert ["committed_at" in record for record in await records(database.url)] == [True, False]


@pytest.mark.usefixtures("item")
async def test_what_was_captured_in_another_cluster_has_no_time_of_a_commit_of_this_one(
    database: Database, connection: Connection
) -> None:
    await connection.execute("INSERT INTO item VALUES (1)")
    # As after a dump was restored: the database has entered a history in this cluster, and rows that were captured before have ids of that one.
    await connection.execute(
        "UPDATE forwarder.history SET system_identifier = 1;"
        "INSERT INTO forwarder.history (number, system_identifier, timeline, shared_to_seq, own_from_seq, noticed_at, database_oid, noticed_txid)"
        " SELECT 2, 2, timeline, 0, 1, clock_timestamp(), database_oid, noticed_txid FROM forwarder.history"
    )
    await connection.execute("INSERT INTO item VALUES (2)")
    assert ["committed_at" in record for record in await records(database.url)] == [False, True]
    # A promoted replica is the same cluster.
    await connection.execute(
        "INSERT INTO forwarder.history (number, system_identifier, timeline, shared_to_seq, own_from_seq, noticed_at, database_oid, noticed_txid)"
        " SELECT 3, 2, timeline + 1, 0, 1, clock_timestamp(), database_oid, noticed_txid FROM forwarder.history WHERE number = 2"
    )
    assert ["committed_at" in record for record in await records(database.url)] == [False, True]


class Counting:
    """A session that notes which queries it is asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Any] = getattr(self._connection, name)

        def noted(*arguments: Any, **options: Any) -> Any:
            self.asked += [name for name in ("keeps_commit_times", "commit_times") if arguments[:1] == (query(name),)]
            return method(*arguments, **options)

        return noted


@pytest.mark.usefixtures("item")
async def test_a_page_is_asked_for_by_one_statement_more(database: Database, connection: Connection) -> None:
    async with session(database.url, purpose="test") as reader:
        counting: Any = Counting(reader)
        outbox = Reader(counting, position=BEGINNING, registry=Registry(), page_rows=1000, page_bytes=1 << 20)
        for number in range(3):
            await connection.execute("INSERT INTO item SELECT generate_series($1::integer, $1 + 9)", number * 10)
            await outbox.read()
        await outbox.read()
    assert counting.asked == ["keeps_commit_times", *3 * ["commit_times"]]
