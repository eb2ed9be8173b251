"""The sinks that the database knows: where each stands, who leads it, and how one is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from forwarder.database import LEADER_LOCK_CLASS, Connection, errors_of
from forwarder.errors import Refused
from forwarder.leadership import Leadership
from forwarder.queries import query


class SinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``forwarder.sink``, and what it means now."""

    name: str
    # The highest seq delivered.
    last_seq: int
    saved_at: datetime
    created_at: datetime
    # Whether the position was saved in another cluster, of which this one is a copy.
    is_foreign: bool
    undelivered: int
    oldest_undelivered_at: datetime | None
    dead_letters: int
    # The server process of the listener that leads, and where that listener is; None if none does.
    leader_pid: int | None
    leader_address: str | None


_STATUS = msgspec.json.Decoder(SinkStatus)


async def read_sinks(connection: Connection) -> Sequence[SinkStatus]:
    """Every sink, by name.

    Raises:
        Refused: the schema is missing or older than this program.
        Unavailable: the database does not answer.
    """
    with errors_of("cannot read the sinks"):
        return [_STATUS.decode(row[0]) for row in await connection.fetch(query("sinks"), LEADER_LOCK_CLASS)]


async def remove_sink(connection: Connection, name: str, *, discard: bool) -> None:
    """Forget a sink, so that the outbox need not keep anything for it any more.

    Raises:
        Refused: there is no such sink, a listener serves it, or it has a backlog and ``discard`` is not given.
        Unavailable: the database does not answer.
    """
    # As long as we have the leader's lock, no listener begins to serve it.
    if not await Leadership(connection, sink=name).take():
        raise Refused(f"a listener serves sink {name!r}; stop it, or take the sink out of its configuration first")
    found = {sink.name: sink for sink in await read_sinks(connection)}
    if name not in found:
        raise Refused(f"there is no sink {name!r}; known: {', '.join(found) or 'none'}")
    waiting = found[name].undelivered + found[name].dead_letters
    if waiting and not discard:
        raise Refused(
            f"{waiting} changes are not delivered to sink {name!r}; deliver them by `forwarder listen --once`, or give them up by"
            " --discard"
        )
    with errors_of("cannot remove the sink"):
        await connection.execute(query("remove_sink"), name)
