"""How far a `forwarder replay --table` has come that is not done yet: a row of ``forwarder.replay``."""

from __future__ import annotations

from datetime import datetime

import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import Connection


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What it was begun for, and what is left of it."""

    # The names of its tables.
    tables: list[str]
    # The command's own words.
    asked_for: str
    begun_at: datetime
    first_seq: int
    first_at: str
    # Every change below it was looked at.
    next_seq: int
    # Nothing above it is part of the replay.
    last_seq: int
    # How many changes are on their way, or were sent again.
    changes: int
    # Whether retention had emptied a part of the outbox before its turn came.
    is_short: bool
    # Of all that the outbox holds; None: it is empty.
    oldest_seq: int | None

    @property
    def at_seq(self) -> int:
        """Where it is, for people: the last change, if it was looked at."""
        return min(self.next_seq, self.last_seq)

    @property
    def is_overtaken(self) -> bool:
        """Whether nothing is retained any more of what it was begun for."""
        return self.oldest_seq is None or self.oldest_seq > self.last_seq

    @property
    def is_cut(self) -> bool:
        """Whether the outbox may have held something of what is left that it holds no more."""
        return self.next_seq <= self.last_seq and (self.oldest_seq is None or self.oldest_seq > self.next_seq)

    def __str__(self) -> str:
        return (
            f"replay of {', '.join(self.tables)}, begun at {self.begun_at:%Y-%m-%d %H:%M:%S} UTC, is at change"
            f" {self.at_seq} of {self.last_seq}"
        )


_PROGRESS = msgspec.json.Decoder(Progress)


async def read_progress(connection: Connection, sink: str) -> Progress | None:
    """The replay of a sink that is not done: it was interrupted, or somebody is at work on it. Raises what asyncpg does."""
    row: str | None = await connection.fetchval(query("unfinished_replay"), sink)
    return None if row is None else _PROGRESS.decode(row)
