"""How much is captured now, by the changes of the last minute. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# What is looked at: of so many changes those of so many seconds.
MOST_CHANGES = 20_000
WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Of all captured tables together, on the average of the last minute, or of the last 20,000 changes if these are younger."""

    changes_per_second: float
    # Of the images of rows. A record has some 300 bytes more.
    bytes_per_second: float

    def __str__(self) -> str:
        return f"{self.changes_per_second:,.0f} changes and {self.bytes_per_second / 1024:,.0f} KiB of rows a second"


def load_of(*, changes: int, bytes: int, oldest_seconds: float) -> Load:
    """The load by what recent_load.sql returns."""
    seconds = WINDOW_SECONDS if changes < MOST_CHANGES else max(oldest_seconds, 0.001)
    return Load(changes_per_second=changes / seconds, bytes_per_second=bytes / seconds)
