"""What a database and its copies have delivered: changes of the table ``account``, and ids that two of them have."""

from __future__ import annotations

import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import session
from forwarder.store.sink_status import read_sinks
from tests.databases import Database, connected
from tests.listening import Served, leads, listening
from tests.waiting import eventually


class Record(msgspec.Struct):
    """What these tests read of a change."""

    id: str
    seq: int
    txid: str
    at: str
    # None of a gap: whoever looks at a database while it is restored finds a table without triggers.
    key: dict[str, int] | None


def records(served: Served) -> list[Record]:
    return [msgspec.json.decode(data, type=Record) for data in served.data()]


def keys(served: Served) -> set[int]:
    return {record.key["id"] for record in records(served) if record.key}


def shared_ids(served: Served) -> set[str]:
    """Ids that two different changes have."""
    changes: dict[str, tuple[str, str]] = {}
    return {
        record.id
        for record in records(served)
        if changes.setdefault(record.id, (record.txid, record.at)) != (record.txid, record.at)
    }


async def write(database: Database, first: int, count: int) -> set[int]:
    """Changes in transactions of their own."""
    async with connected(database.writer_url) as writer:
        for identity in range(first, first + count):
            await writer.execute("INSERT INTO account VALUES ($1, 1)", identity)
    return set(range(first, first + count))


async def deliver(database: Database, served: Served, expected: set[int]) -> None:
    """Run a listener until these are in the stream, and nothing is said to be left."""
    async with listening(database.url, served.sink, checkpoint_interval_seconds=0.05) as service:
        await leads(service)

        async def nothing_is_missing() -> bool:
            return expected <= keys(served)

        async def nothing_is_left() -> bool:
            is_none_left: bool = await observer.fetchval(query("undelivered")) == 0
            return is_none_left and [sink.undelivered for sink in await read_sinks(observer)] == [0]

        await eventually(nothing_is_missing, within_seconds=15)
        # While it runs: what it notices at the last moment, a gap, is for the next one to send.
        async with session(database.url, purpose="tests") as observer:
            await eventually(nothing_is_left, within_seconds=15)
