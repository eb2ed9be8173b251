"""Has changes sent to a sink again: all of them from some point on (``set_back``), or those of some tables (``send_tables``)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import asyncpg

from forwarder.capture.catalog import read_named
from forwarder.capture.selection import Pattern
from forwarder.database.conflicts import past_conflicts
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Refused
from forwarder.outbox.floors import read_floor
from forwarder.outbox.position import Position, Snapshot
from forwarder.store.positions import first_undelivered, position_of
from forwarder.store.replay_progress import Progress, read_progress
from forwarder.store.table_replay import TableReplay

# The trigger draws a change's seq and then takes its time. Another writer may come in between, so a higher seq may have an earlier time. It is
# taken for granted that the two are no further apart than this.
CLOCK_SLACK_SECONDS = 10.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Everything will be sent again from this change on; ``at`` is its time, in text."""

    seq: int
    at: str


class Replay:
    """What `forwarder replay` does to one sink. Its methods raise ``Refused`` with the remedy, or ``Unavailable``."""

    def __init__(self, connection: Connection, *, sink: str) -> None:
        self._connection = connection
        self._sink = sink

    async def set_back(self, start: datetime | int | None) -> Replayed:
        """Have everything sent again from a time or a seq on; None: all that is retained. A listener that runs begins at once.

        What is not delivered yet is sent as well, even if its seq is lower.
        """
        with database_errors("cannot set the sink back"):
            floor_seq = await read_floor(self._connection)
            async with self._connection.transaction():
                sink = await self._locked()
                first = await self._first(start)
                present = await self._connection.fetchrow(query("present"))
                assert present is not None
                undelivered_seq = await first_undelivered(self._connection, position_of(sink))
                await self._move_to(
                    Position.resending(
                        Snapshot(*present["snapshot"]),
                        after_seq=min(first["seq"], undelivered_seq or first["seq"]) - 1,
                        floor_seq=floor_seq,
                        ceiling_seq=present["last_seq"],
                    )
                )
        return Replayed(seq=first["seq"], at=first["at"])

    async def send_tables(
        self,
        start: datetime | int | None,
        patterns: Sequence[Pattern],
        *,
        anew: bool = False,
        report: Callable[[Progress], None] = lambda _: None,
    ) -> Progress:
        """Have the delivered changes of some tables sent again, from a time or a seq on, while everything else goes on.

        1. If the same was asked for before and was interrupted, it goes on where it was: what was delivered when it began is sent once.
        2. It begins again if ``anew`` says so, if the interrupted one had sent nothing yet, or if nothing is retained of what that was for.
        3. If something else was asked for and is not done: ``Refused``, unless ``anew``.

        ``report`` is called when it begins or goes on (``Progress.changes`` tells which) and after each portion that is stored.
        """
        tables = await read_named(self._connection, patterns)
        replay = await past_conflicts(partial(self._of_tables, start, tables, anew=anew))
        report(replay.progress)
        await replay.run(report)
        return replay.progress

    async def _of_tables(self, start: datetime | int | None, tables: Sequence[int], *, anew: bool) -> TableReplay:
        """The replay that was interrupted, or one that begins."""
        asked_for = f"{start or 'oldest'}, {tables}"
        with database_errors("cannot send the changes again"):
            async with self._connection.transaction():
                await self._locked()
                await self._connection.execute(query("lock_replay"), self._sink)
                progress = await read_progress(self._connection, self._sink)
                if anew or not self._goes_on(progress, asked_for=asked_for):
                    await self._begin(start, tables, asked_for=asked_for)
                    progress = await read_progress(self._connection, self._sink)
        assert progress is not None
        return TableReplay(self._connection, progress, sink=self._sink)

    def _goes_on(self, unfinished: Progress | None, *, asked_for: str) -> bool:
        """Whether to go on with the replay that was interrupted."""
        if unfinished is None or not unfinished.changes:
            return False
        if unfinished.is_overtaken:
            facts = {"sink": self._sink, "begun_at": str(unfinished.begun_at)}
            logger.warning("nothing is retained of the replay that was interrupted: beginning anew", extra=facts)
            return False
        if unfinished.asked_for != asked_for:
            raise Refused(
                f"another `forwarder replay --table` of sink {self._sink!r} is not done: the {unfinished}; let it end, by the same command"
                " if it was interrupted, or give it up by --anew"
            )
        return True

    async def _begin(self, start: datetime | int | None, tables: Sequence[int], *, asked_for: str) -> None:
        first, present = await self._first(start), await self._connection.fetchrow(query("present"))
        assert present is not None
        arguments = (self._sink, asked_for, tables, first["seq"], first["at"], present["last_seq"])
        await self._connection.execute(query("forget_replay"), self._sink)
        await self._connection.execute(query("begin_replay"), *arguments)

    async def _locked(self) -> asyncpg.Record:
        sink = await self._connection.fetchrow(query("lock_sink"), self._sink)
        if sink is None:
            raise Refused(f"there is no sink {self._sink!r}; `forwarder sinks list` shows those there are")
        if not sink["is_ours"]:
            raise Refused(
                f"sink {self._sink!r} was last served in another cluster or database; run `forwarder listen`, which goes"
                " on from there"
            )
        return sink

    async def _first(self, start: datetime | int | None) -> asyncpg.Record:
        """The change to begin with."""
        oldest = await self._change_from(0)
        if oldest is None:
            raise Refused("the outbox is empty: there is nothing to send again")
        if start is None:
            return oldest
        known = f"the oldest retained change is {oldest['seq']} of {oldest['at']}; see retention_seconds in [outbox]"
        if isinstance(start, int):
            if start < oldest["seq"]:
                raise Refused(f"change {start} is not retained any more: {known}")
            found = await self._change_from(start)
        else:
            if start.timestamp() < oldest["at_seconds"]:
                raise Refused(f"{start:%Y-%m-%d %H:%M:%S%z} is not retained any more: {known}")
            found = await self._change_at(start.timestamp() - CLOCK_SLACK_SECONDS, oldest)
        if found is None:
            raise Refused(f"no change is as late as that; {known}")
        return found

    async def _change_at(self, seconds: float, oldest: asyncpg.Record) -> asyncpg.Record | None:
        """The first change with this time or a later one, found by bisection over the seqs."""
        present = await self._connection.fetchrow(query("present"))
        assert present is not None
        low, high = oldest["seq"], present["last_seq"] + 1
        found: asyncpg.Record | None = oldest if oldest["at_seconds"] >= seconds else None
        while low < high:
            middle = (low + high) // 2
            change = await self._change_from(middle)
            if change is None or change["at_seconds"] >= seconds:
                found, high = change or found, middle
            else:
                low = change["seq"] + 1
        return found

    async def _change_from(self, seq: int) -> asyncpg.Record | None:
        return await self._connection.fetchrow(query("oldest_change"), seq)

    async def _move_to(self, position: Position) -> None:
        batch = position.batch
        assert batch is not None
        of_batch = (batch.snapshot, batch.floor_seq, batch.ceiling_seq, batch.last_seq)
        await self._connection.execute(query("set_back"), self._sink, position.delivered, position.floor_seq, *of_batch)
