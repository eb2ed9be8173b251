"""The running listeners: what each says of itself in ``forwarder.listener``, and who is gone.

Delivery does not depend on any of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import ANSWER_SECONDS, Connection, database_errors

# A process that has not written for so long is gone: it writes every few seconds.
GONE_SECONDS = 15.0


class Second(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One second of a sink; ``forwarder.status.document.Point`` says what each member is."""

    captured: float = 0.0
    delivered: float = 0.0
    oldest_seconds: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


class ShardFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a shard had of the last minute."""

    name: str
    share: float
    throttles: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The last minute of a sink that the process leads; ``forwarder.status.document.Live`` says what each member is."""

    now: Second = Second()
    captured_per_second: float = 0.0
    delivered_per_second: float = 0.0
    bytes_per_second: float = 0.0
    requests_per_second: float = 0.0
    in_flight: int = 0
    memory_records: int = 0
    memory_bytes: int = 0
    request_p50_ms: float | None = None
    request_p99_ms: float | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    shards: Sequence[ShardFigures] = ()
    hot_lanes: Sequence[int] = ()
    # By how many changes a second the backlog has become smaller; below 0: larger. None: not known yet.
    backlog_fall_per_second: float | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a process stands to one of its sinks."""

    # Where it sends, without secrets: kinesis://changes.
    target: str
    # The patterns of the tables that it is for; none: it is for all.
    tables: Sequence[str] = ()
    # As /readyz has it: leading, standby, starting, reconnecting, stopping.
    phase: str
    # Why nothing, or not all, is delivered; None: nothing is in the way.
    trouble: str | None = None
    # What an operator should look at, although it delivers.
    warnings: Sequence[str] = ()
    # None: it does not lead.
    figures: Figures | None = None


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What a process says of itself. Never a value or a key of a row, nor a password."""

    sinks: Mapping[str, Standing] = {}
    # Of the outbox, as /readyz has them, but for those that anybody sees who reads the same database.
    warnings: Sequence[str] = ()
    # doorbell or poll; None: it does not read the outbox.
    wake: str | None = None
    rings_per_second: float | None = None

    def of_phase(self, *phases: str) -> list[str]:
        """The sinks to which it stands like that."""
        return [name for name, standing in self.sinks.items() if standing.phase in phases]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which process it is."""

    id: str
    host: str
    pid: int
    version: str
    started_at: datetime


class Listener(Identity, frozen=True, kw_only=True):
    """A process that has announced itself."""

    # When it did so last, by the database's clock, and how long ago that is.
    seen_at: datetime
    silent_seconds: float
    says: Announcement

    @property
    def is_gone(self) -> bool:
        """Whether it was killed, most likely, or has lost the database."""
        return self.silent_seconds > GONE_SECONDS


_LISTENER = msgspec.json.Decoder(Listener)


async def announce(connection: Connection, identity: Identity, says: Announcement) -> None:
    """Write what a process says of itself, and sweep those away that are long gone. If somebody has the table locked, it gives way.

    Raises:
        Refused: the schema is older than this program, or the role has no right to that.
        Unavailable: the database does not answer.
    """
    with database_errors("cannot announce this listener"):
        async with connection.transaction():
            await connection.execute(query("in_passing"), timeout=ANSWER_SECONDS)
            await connection.execute(
                query("announce"),
                identity.id,
                identity.host,
                identity.pid,
                identity.version,
                identity.started_at.timestamp(),
                # In ASCII: the database may be in any encoding.
                json.dumps(msgspec.to_builtins(says)),
                timeout=ANSWER_SECONDS,
            )


async def withdraw(connection: Connection, identity: Identity) -> None:
    """Forget a process that ends.

    Raises:
        Refused, Unavailable: as of ``announce``.
    """
    with database_errors("cannot withdraw this listener"):
        await connection.execute(query("withdraw"), identity.id, timeout=ANSWER_SECONDS)


async def read_listeners(connection: Connection) -> Sequence[Listener]:
    """Those that have announced themselves, the oldest first. What another release writes that this one cannot read is passed over.

    Raises:
        Refused: the schema is older than this program, or the role has no right to that.
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read who listens"):
        rows = await connection.fetch(query("listeners"))
    return [listener for (text,) in rows if (listener := _legible(text))]


def _legible(text: str) -> Listener | None:
    try:
        return _LISTENER.decode(text)
    except msgspec.DecodeError:
        return None
