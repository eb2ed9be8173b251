"""Which tables are to be read for a sink, row by row as they are, and how far each load has come: table ``forwarder.load``.

A load is asked for by `forwarder load` or by the settings, and moved on by the leader of the sink:

    waiting ──begin──► running ──finish──► finished
       │ ▲                │ ▲
       ▼ │ pause, resume  ▼ │
           paused                    any of the three ──► failed (by the leader), cancelled (by an operator)

If a crash forgets the last write, a chunk is read once more, and none is left out. So no write waits for the disk, as in ``Positions``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import asyncpg
import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import ANSWER_SECONDS, Connection, database_errors
from forwarder.outbox.position import Snapshot
from forwarder.store.positions import deposed

# So many loads are looked at closely at a time: more than can run at once.
MOST = 100

logger = logging.getLogger(__name__)


class LoadState(StrEnum):
    """What becomes of a load."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more becomes of it."""
        return self in (LoadState.FINISHED, LoadState.FAILED, LoadState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A row of ``forwarder.load``."""

    number: int
    sink: str
    table_id: int
    # The name of the table, as ``forwarder.captured_table`` has it.
    schema: str
    name: str
    # What of the table is to be loaded, as JSON that `load/part.py` writes.
    part: str
    state: LoadState
    # The snapshot that was taken when it began; None: it has not begun.
    begun: Snapshot | None
    # Where the next chunk begins, as JSON that `load/chunk.py` writes. None: at the beginning of the table; or the load has ended.
    place: str | None
    # Rows that were read and delivered so far, and bytes of their images.
    rows: int
    bytes: int
    # How many rows the planner expected when it began; None: it could not say.
    estimated_rows: int | None
    # Why it has failed, in one line with the remedy.
    error: str | None
    requested_at: datetime
    started_at: datetime | None
    # When it was moved on, paused or resumed the last time.
    updated_at: datetime
    finished_at: datetime | None

    @property
    def qualified_name(self) -> str:
        """``public.orders``; not quoted, so not for SQL."""
        return f"{self.schema}.{self.name}"


class LoadReport(Protocol):
    """Is told how the loads of a sink are."""

    def see(self, loads: Sequence[Load], *, states: Mapping[str, int], remaining_rows: int) -> None:
        """How the loads are that have not ended, and those that have failed and were not asked for again.

        Args:
            loads: those that run, some that wait, and some that have failed.
            states: how many there are in each state; a state that there is none in may be left out.
            remaining_rows: what is left to be read by all of them, by the planner's estimates.
        """

    def moved(self, load: Load, *, rows: int, bytes: int) -> None:
        """A load has delivered so many rows by now."""


_LOAD = msgspec.json.Decoder(Load)
_DUE = (LoadState.WAITING, LoadState.RUNNING)


class Loads:
    """The loads of one sink, on the session of its leader. Only the leader of the present epoch changes any.

    ``begin``, ``advance``, ``finish`` and ``fail`` return False, and change nothing, if the load is not the leader's to move on any more: it was
    paused, cancelled, asked for anew or removed meanwhile. Then ``due`` tells what is to be done.

    All methods raise ``Unavailable`` if the database does not answer or another epoch has begun, and ``Refused`` if the schema is older than
    this program.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        sink: str,
        epoch: int,
        report: LoadReport | None = None,
    ) -> None:
        """``epoch`` is ``Positions.epoch`` of the same session."""
        self._connection = connection
        self._sink = sink
        self._epoch = epoch
        self._report = report

    async def due(self) -> Sequence[Load]:
        """The loads that run and that wait to begin, the oldest first, ``MOST`` at a time: later ones are returned when others have ended.

        In a copy of the database, or after a dump was restored, snapshots and places mean nothing: what was unfinished there begins anew.
        """
        with database_errors(f"cannot read the loads of sink {self._sink!r}"):
            rows = await self._open()
            if foreign := [row["number"] for row in rows if row["is_foreign"]]:
                await self._connection.execute(query("renew_loads"), foreign)
                rows = await self._open()
            loads = await read(self._connection, _chosen(rows)) if rows else []
        if foreign:
            logger.warning(
                "the database was restored or copied: loads begin anew",
                extra={"sink": self._sink, "loads": ", ".join(map(str, foreign))},
            )
        if self._report:
            remaining = sum(max(0, (row["estimated_rows"] or 0) - row["rows"]) for row in rows if row["state"] in _DUE)
            self._report.see(loads, states=Counter(row["state"] for row in rows), remaining_rows=remaining)
        return [load for load in loads if load.state in _DUE]

    async def begin(self, load: Load, *, begun: Snapshot, estimated_rows: int | None) -> bool:
        """Have a load run that waits; it is at the beginning of its table, and has read nothing."""
        return await self._change("begin_load", load.number, begun, estimated_rows)

    async def advance(self, load: Load, *, place: str, rows: int, bytes: int) -> bool:
        """Note that a running load has come to ``place``. ``rows`` and ``bytes`` are those of the whole load so far, not of a chunk."""
        return self._moved(
            load, rows, bytes, is_done=await self._change("advance_load", load.number, place, rows, bytes)
        )

    async def finish(self, load: Load, *, rows: int, bytes: int) -> bool:
        """Note that a running load has come to the end of its table. ``rows`` and ``bytes`` are those of the whole load."""
        return self._moved(load, rows, bytes, is_done=await self._change("finish_load", load.number, rows, bytes))

    async def fail(self, load: Load, error: str) -> bool:
        """End a load that cannot go on. ``error`` says why, in one line with the remedy."""
        return await self._change("fail_load", load.number, " ".join(error.split()))

    async def runs(self, load: Load) -> bool:
        """Whether a load that has begun still runs. False, as of ``advance``: it is not the leader's to move on any more."""
        return await self._change("load_runs", load.number)

    async def request_initial(self, table_ids: Collection[int]) -> set[int]:
        """Ask for the first load of these tables, once for this sink and a table ever. Returns those that have had it, or get it now.

        A table that is being loaded for this sink for another reason gets its first load when this is called after that has ended.
        """
        with database_errors(f"cannot ask for loads for sink {self._sink!r}"):
            rows = await self._connection.fetch(query("request_initial_loads"), self._sink, sorted(table_ids))
        return {row["table_id"] for row in rows}

    async def _open(self) -> Sequence[asyncpg.Record]:
        return await self._connection.fetch(query("open_loads"), self._sink, timeout=ANSWER_SECONDS)

    def _moved(self, load: Load, rows: int, bytes: int, *, is_done: bool) -> bool:
        if is_done and self._report:
            self._report.moved(load, rows=rows, bytes=bytes)
        return is_done

    async def _change(self, name: str, *arguments: object) -> bool:
        with database_errors(f"cannot note how a load of sink {self._sink!r} stands"):
            row = await self._connection.fetchrow(
                query(name), self._sink, self._epoch, *arguments, timeout=ANSWER_SECONDS
            )
        assert row is not None, "a SELECT without FROM has one row"
        if not row["leads"]:
            raise deposed(self._sink)
        is_changed: bool = row["is_changed"]
        return is_changed


async def read(connection: Connection, numbers: Collection[int]) -> list[Load]:
    """The loads with these numbers, in their order; without those that are gone."""
    return [_LOAD.decode(text) for (text,) in await connection.fetch(query("loads"), list(numbers))]


def _chosen(rows: Sequence[asyncpg.Record]) -> list[int]:
    """The numbers of the loads to look at closely: those that run before those that wait, and some that have failed."""
    running, waiting, failed = (
        [row["number"] for row in rows if row["state"] == state]
        for state in (LoadState.RUNNING, LoadState.WAITING, LoadState.FAILED)
    )
    return [*(running + waiting)[:MOST], *failed[:MOST]]
