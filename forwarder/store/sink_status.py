"""The sinks that the database knows: where each stands, who leads it, and how one is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from forwarder.database.lock_holders import Holder, holders_of_sink, usurpation
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Refused
from forwarder.store import dead_letters
from forwarder.store.leadership import Leadership
from forwarder.store.replay_progress import Progress, read_progress


class SinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``forwarder.sink``, and what it means now."""

    name: str
    # The highest seq delivered.
    last_seq: int
    saved_at: datetime
    created_at: datetime
    # Whether the position was saved in another cluster or database, of which this one is a copy.
    is_foreign: bool
    undelivered: int
    oldest_undelivered_at: datetime | None
    dead_letters: int
    # A `forwarder replay --table` that is not done; None: there is none.
    replay: Progress | None = None
    # The server process of the listener that leads, and where that listener connects from; None if none leads.
    leader_pid: int | None = None
    leader_address: str | None = None
    # A sentence about a session that has the leader's lock and seems to be no listener, with the remedy; None if there is none.
    usurpation: str | None = None


_STATUS = msgspec.json.Decoder(SinkStatus)


async def read_sinks(connection: Connection) -> Sequence[SinkStatus]:
    """Every sink, by name.

    Raises:
        Refused: the schema is missing or older than this program.
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the sinks"):
        found = [_STATUS.decode(row[0]) for row in await connection.fetch(query("sinks"))]
        found = [replace(sink, replay=await read_progress(connection, sink.name)) for sink in found]
    return [_led(sink, await holders_of_sink(connection, sink.name)) for sink in found]


async def sink_names(connection: Connection) -> Sequence[str]:
    """The names of the sinks, in order. Unlike ``read_sinks`` it counts nothing.

    Raises:
        Refused: the schema is missing.
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the sinks"):
        return [name for (name,) in await connection.fetch(query("sink_names"))]


async def remove_sink(connection: Connection, name: str, *, discard: bool) -> None:
    """Forget a sink, so that the outbox need not keep anything for it any more.

    Raises:
        Refused: there is no such sink, a listener serves it, or it has a backlog and ``discard`` is not given.
        Unavailable: the database does not answer.
    """
    # While this session has the leader's lock, no listener begins to serve the sink.
    if not await Leadership(connection, sink=name).take():
        raise Refused(_occupied(name, await holders_of_sink(connection, name)))
    found = {sink.name: sink for sink in await read_sinks(connection)}
    if name not in found:
        raise Refused(f"there is no sink {name!r}; known: {', '.join(found) or 'none'}")
    waiting = found[name].undelivered + found[name].dead_letters
    if waiting and not discard:
        raise Refused(
            f"{waiting} changes are not delivered to sink {name!r}; deliver them by `forwarder listen --once`, or give them up by"
            " --discard"
        )
    with database_errors("cannot remove the sink"):
        # First, so that no replay adds to the letters while they are dropped.
        await connection.execute(query("forget_replay"), name)
        await dead_letters.drop_all(connection, sink=name)
        await connection.execute(query("remove_sink"), name)


def _led(sink: SinkStatus, holders: Sequence[Holder]) -> SinkStatus:
    if not holders:
        return sink
    if not holders[0].leads:
        return replace(sink, usurpation=usurpation(sink.name, holders))
    return replace(sink, leader_pid=holders[0].pid, leader_address=holders[0].address)


def _occupied(name: str, holders: Sequence[Holder]) -> str:
    if holders and not holders[0].leads:
        return usurpation(name, holders)
    who = f": {holders[0]}" if holders else ""
    return f"a listener serves sink {name!r}{who}; stop it, or take the sink out of its configuration first"
