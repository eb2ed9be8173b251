"""How much of a table is read at once, and how fast. Pure; time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

# The first chunk of a table.
FIRST_ROWS = 1000
MOST_ROWS = 50_000
# Below this a chunk takes as long as its statements do, however few its rows are.
LEAST_ROWS = 500
# A chunk may have so many times the rows of the one before it.
GROWTH = 4.0
# What is not used of a limit can be made up for within so long.
BURST_SECONDS = 1.0


class ChunkSize:
    """So many rows for the next chunk that its query takes about as long as it should."""

    def __init__(self, *, seconds: float) -> None:
        """``seconds``: how long the query of a chunk should take."""
        self._seconds = seconds
        self.rows = FIRST_ROWS

    def took(self, seconds: float, *, rows: int) -> None:
        """A chunk of so many rows was read in this time. One that was cut short, at the end of a table or for its bytes, tells little."""
        if rows:
            aim = min(rows * self._seconds / max(seconds, 1e-6), self.rows * GROWTH)
            self.rows = int(max(LEAST_ROWS, min(aim, MOST_ROWS)))

    def overtaken(self) -> None:
        """A chunk has to be read again, since the table has changed meanwhile: a smaller one is less likely to."""
        self.rows = max(1, self.rows // 4)


@dataclass(slots=True)
class RateLimit:
    """At most so many units a second, on average; None: as many as there are."""

    per_second: float | None
    _paid_until: float = 0.0

    def wait_seconds(self, units: float, *, now: float) -> float:
        """How long to wait after so many units."""
        if self.per_second is None:
            return 0.0
        self._paid_until = max(self._paid_until, now - BURST_SECONDS) + units / self.per_second
        return max(0.0, self._paid_until - now)


class Restraint(Protocol):
    """How a load holds back for the changes that come meanwhile: `forwarder.listen.load_channel.LoadChannel`."""

    @property
    def read_rows(self) -> int:
        """How many rows may be fetched at once."""

    async def rest(self, *, worked_seconds: float) -> None:
        """Leave the processor to the changes, after the load has had it, or PostgreSQL for it, for so long."""
