"""Fetches the rows of a chunk in portions, so that neither a row of many megabytes nor a slow disk makes a chunk much larger than it should be."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate

import asyncpg

from forwarder.database.sessions import Connection
from forwarder.load.chunk import ReadRow
from forwarder.load.making import Making
from forwarder.load.pacing import Restraint

# A row may have as many bytes as the images of a change, 64 MiB by default.
FIRST_PORTION = 16
# Where something is known of the rows.
USUAL_PORTION = 256
GROWTH = 8
# To take more at once would hold up the event loop for longer than some milliseconds.
MOST_ROWS = 2000
# What is not read by then is left to the next chunk, so that no transaction of ours gets old.
MAX_SECONDS = 0.5


class Portions:
    """The rows of one chunk, and what is known of them."""

    def __init__(self, *, rows: int, bytes: int, largest_bytes: int | None, restraint: Restraint | None = None) -> None:
        """``largest_bytes``: of an image, as far as the table was read; None: nothing is known. ``restraint``: None: there is none."""
        # How many rows were looked at, and the last one. The others are freed with their portion, while they are in the processor's cache.
        self.looked_at = 0
        self.last: asyncpg.Record | None = None
        self.rows: list[ReadRow] = []
        self.bytes = 0
        self.largest_bytes = largest_bytes or 0
        # Whether there are no rows behind these.
        self.is_end = False
        # How many portions there were, and how long they took.
        self.portions = 0
        self.seconds = 0.0
        # Whether PostgreSQL has counted enough bytes, and made no more images. It counts as its own encoding has them.
        self._is_cut = False
        self._restraint = restraint
        self._max_rows = rows
        self._max_bytes = bytes
        self._next = self._fitting(FIRST_PORTION if largest_bytes is None else USUAL_PORTION)

    async def fetch(self, connection: Connection, statement: str, making: Making) -> None:
        """Run the statement in the transaction that is open, and take its rows until there are enough."""
        cursor = await (await connection.prepare(statement)).cursor()
        started = begun = time.perf_counter()
        while not self.is_end and not self._is_full and (not self.looked_at or begun < started + MAX_SECONDS):
            most = min(MOST_ROWS, self._restraint.read_rows) if self._restraint else MOST_ROWS
            asked = min(self._next, most, self._max_rows - self.looked_at)
            portion = await cursor.fetch(asked)
            now = time.perf_counter()
            self.portions += 1
            self.seconds += now - begun
            self._take(portion, making)
            self.is_end = len(portion) < asked and not self._is_full
            in_time = int(asked * (started + MAX_SECONDS - now) / max(now - begun, 1e-6))
            self._next = self._fitting(min(asked * GROWTH, in_time, MOST_ROWS))
            if self._restraint and not (self.is_end or self._is_full):
                await self._restraint.rest(worked_seconds=time.perf_counter() - begun)
            begun = time.perf_counter()

    @property
    def _is_full(self) -> bool:
        return self._is_cut or self.bytes >= self._max_bytes or self.looked_at >= self._max_rows

    def _fitting(self, wanted: int) -> int:
        """So many rows, or as many as have no more bytes than are left, if none is larger than the largest so far."""
        left = self._max_bytes - self.bytes
        return max(1, min(wanted, left // self.largest_bytes if self.largest_bytes else wanted))

    def _take(self, portion: Sequence[asyncpg.Record], making: Making) -> None:
        made = making.made(portion)
        self._is_cut = len(made) < len(portion)
        portion, rows, sizes = made, making.rows(made), making.sizes(made)
        if self.bytes + sum(sizes) > self._max_bytes:
            # With the row by which there are enough.
            count = next(
                count for count, total in enumerate(accumulate(sizes, initial=self.bytes)) if total >= self._max_bytes
            )
            portion, rows, sizes = portion[:count], rows[:count], sizes[:count]
        self.looked_at += len(portion)
        self.last = portion[-1] if portion else self.last
        self.rows.extend(filter(None, rows))
        self.bytes += sum(sizes)
        self.largest_bytes = max(self.largest_bytes, max(sizes, default=0))
