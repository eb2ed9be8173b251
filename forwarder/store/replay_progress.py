"""How far an unfinished `forwarder replay --table` has come: a row of ``forwarder.replay``."""

from __future__ import annotations

from datetime import datetime

import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import Connection


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What the replay was begun for, and what is left of it."""

    # The names of its tables.
    tables: list[str]
    # Its start and the ids of its tables, by which the same command knows it again.
    asked_for: str
    begun_at: datetime
    # The change that it began with.
    first_seq: int
    first_at: str
    # Every change below this was looked at.
    next_seq: int
    # Nothing above this is part of the replay.
    last_seq: int
    # How many changes were made dead letters, to be sent again.
    changes: int
    # Whether changes may have been gone before their turn came, since retention had emptied a leaf.
    is_short: bool
    # The oldest change that is in the outbox now, of whatever table; None: the outbox is empty.
    oldest_seq: int | None

    @property
    def at_seq(self) -> int:
        """Where it is, to be shown: ``next_seq`` is one beyond the last seq when all was looked at."""
        return min(self.next_seq, self.last_seq)

    @property
    def is_overtaken(self) -> bool:
        """Whether nothing is retained any more of what it was begun for."""
        return self.oldest_seq is None or self.oldest_seq > self.last_seq

    @property
    def is_cut(self) -> bool:
        """Whether retention may have dropped changes that were not looked at yet."""
        return self.next_seq <= self.last_seq and (self.oldest_seq is None or self.oldest_seq > self.next_seq)

    def __str__(self) -> str:
        return (
            f"replay of {', '.join(self.tables)}, begun at {self.begun_at:%Y-%m-%d %H:%M:%S} UTC, is at change"
            f" {self.at_seq} of {self.last_seq}"
        )


_PROGRESS = msgspec.json.Decoder(Progress)


async def read_progress(connection: Connection, sink: str) -> Progress | None:
    """The unfinished replay of a sink, whether it was interrupted or is at work; None if there is none. Raises what asyncpg does."""
    row: str | None = await connection.fetchval(query("unfinished_replay"), sink)
    return None if row is None else _PROGRESS.decode(row)
