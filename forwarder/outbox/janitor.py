"""Tidies the database while a listener leads: empties leaves of the outbox, compacts two small tables, pauses capture where that is asked for, and
has new tables captured.

Delivery neither needs the janitor nor waits for it: it has a connection of its own, takes each lock at once or not at all, and tries again
what has failed. Two janitors on one database do no harm. After each round the outbox is measured (``survey.py``).
"""

from __future__ import annotations

import logging
from time import perf_counter

import anyio
import asyncpg

from forwarder.backoff import Backoff
from forwarder.capture.new_tables import NewTables
from forwarder.config.settings import OutboxSettings
from forwarder.database import sessions
from forwarder.database.access import DatabaseAddress
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import ForwarderError
from forwarder.logs import Throttled
from forwarder.metrics import OutboxMetrics, SessionMetrics
from forwarder.outbox.backlog_warnings import is_to_pause
from forwarder.outbox.ring import Leaf, Ring
from forwarder.outbox.survey import Survey, read_ring

# From the end of one round to the next.
ROUND_SECONDS = 2.0
# A reader locks a leaf for the milliseconds that a page takes. So a leaf that is locked is tried again between two pages.
LOCKED_TRIES = 10
LOCKED_PAUSE_SECONDS = 0.02
# How many seqs one statement draws when a leaf is closed: it holds a snapshot for some 20 ms.
SEQS_A_DRAW = 1 << 16
# Beyond this size forwarder.sink is rewritten. Its rows fit on one page; 16 pages hold some 800 dead versions of rows, which a busy listener
# leaves in four minutes while vacuum is held back.
MAX_SINK_PAGES = 16
# Beyond this size forwarder.ahead is emptied: some 1,000 dead versions of rows.
MAX_AHEAD_PAGES = 256

logger = logging.getLogger(__name__)


class Janitor:
    """Makes one round after another, so that the outbox stays small."""

    def __init__(
        self,
        database_url: DatabaseAddress,
        *,
        settings: OutboxSettings,
        survey: Survey,
        metrics: OutboxMetrics,
        session_metrics: SessionMetrics | None = None,
        new_tables: NewTables | None = None,
    ) -> None:
        """``new_tables``: who captures them; None: nobody does."""
        self._session_metrics = session_metrics
        self._new_tables = new_tables
        self._database_url = database_url
        self._settings = settings
        self._survey = survey
        self._metrics = metrics
        self._throttled = Throttled(seconds=300.0)

    async def run(self) -> None:
        """Make one round after another, until cancelled; whatever fails is logged and tried again."""
        backoff = Backoff(first_seconds=1.0, max_seconds=60.0)
        while True:
            try:
                async with sessions.session(
                    self._database_url, purpose="janitor", metrics=self._session_metrics
                ) as connection:
                    await self._make_rounds(connection, backoff)
            except (ForwarderError, asyncpg.PostgresError) as error:
                self._survey.forget()
                self._metrics.not_tidied()
                if self._new_tables:
                    self._new_tables.forget()
                logger.warning("the outbox is not tidied; trying again", extra={"reason": str(error)})
            await anyio.sleep(backoff.next())

    async def _make_rounds(self, connection: Connection, backoff: Backoff) -> None:
        while True:
            began = perf_counter()
            with database_errors("cannot tidy the outbox"):
                await self.make_round(connection)
            self._metrics.tidied(perf_counter() - began)
            backoff.reset()
            await anyio.sleep(ROUND_SECONDS)

    async def make_round(self, connection: Connection) -> None:
        """Look at everything once, and do what is due.

        Raises:
            asyncpg.PostgresError: a statement fails.
        """
        ring = await read_ring(connection)
        await self._make_room(connection, ring)
        await connection.fetchval(query("compact_sinks"), MAX_SINK_PAGES)
        await connection.fetchval(query("trim_ahead"), MAX_AHEAD_PAGES)
        outbox_bytes = (await read_ring(connection)).bytes
        is_paused = await self._pause(connection, outbox_bytes=outbox_bytes)
        if self._new_tables:
            await self._new_tables.look(connection)
        await self._survey.measure(
            connection,
            outbox_bytes=outbox_bytes,
            is_paused=is_paused,
            more=self._new_tables.warnings if self._new_tables else (),
        )

    async def _make_room(self, connection: Connection, ring: Ring) -> None:
        """Empty the leaves that are due, and close the one in use."""
        max_bytes = self._settings.max_bytes
        retention_seconds = 0.0 if max_bytes and ring.bytes > max_bytes else self._settings.retention_seconds
        for leaf, seconds in ring.to_reclaim(retention_seconds=retention_seconds):
            if await _reclaim(connection, leaf, older_than_seconds=seconds):
                self._metrics.reclaimed()
                self._report_short_history(leaf)
        await _draw(connection, ring.to_draw(retention_seconds=retention_seconds))

    async def _pause(self, connection: Connection, *, outbox_bytes: int) -> bool:
        """Pause capture, or resume it, if that is due. Returns whether it is paused now."""
        was_paused: bool = await connection.fetchval(query("is_paused"))
        max_bytes = self._settings.max_bytes if self._settings.on_outbox_full == "pause-capture" else None
        is_paused = is_to_pause(outbox_bytes=outbox_bytes, max_bytes=max_bytes, is_paused=was_paused)
        for (table,) in await connection.fetch(query("set_paused"), is_paused):
            logger.error("capture paused" if is_paused else "capture resumed", extra={"table": table})
        return is_paused

    def _report_short_history(self, leaf: Leaf) -> None:
        """Log, now and then, that a leaf was emptied before the retention was over: else it would be noticed when a replay needs it."""
        age_seconds = leaf.newest_age_seconds
        if age_seconds is not None and age_seconds < self._settings.retention_seconds and self._throttled.due("short"):
            logger.info(
                "the ring is too small for the retention; a larger leaf_events would keep more",
                extra={"kept_seconds": round(age_seconds), "retention_seconds": self._settings.retention_seconds},
            )


async def _reclaim(connection: Connection, leaf: Leaf, *, older_than_seconds: float) -> bool:
    """Try to empty a leaf, a few times if somebody has it locked. Returns whether it worked."""
    for _ in range(LOCKED_TRIES):
        reclaimed: bool | None = await connection.fetchval(query("reclaim"), leaf.name, older_than_seconds)
        if reclaimed is not None:
            return reclaimed
        await anyio.sleep(LOCKED_PAUSE_SECONDS)
    return False


async def _draw(connection: Connection, count: int) -> None:
    """Draw this many seqs, so that writers go on to the next leaf."""
    for drawn in range(0, count, SEQS_A_DRAW):
        await connection.fetchval(query("draw"), min(SEQS_A_DRAW, count - drawn))
