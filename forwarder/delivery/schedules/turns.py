"""What schedules that sort records by shard have in common: how shards take turns, and what they know of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

# Each queue in turn may add an equal part of a request, but at least so many records: smaller parts are not worth a turn.
LEAST_SHARE = 32
# A queue that rests takes turns again after this long at the latest, since its lanes may be predicted to go to another shard by then.
LONGEST_REST_SECONDS = 1.0

# From a partition key, or an explicit hash key, to the shard it is predicted to go to; None: not known.
ShardOf = Callable[[str | int], str | None]


def unknown(_: str | int) -> None:
    """The ``ShardOf`` for as long as the shards are not known: all records stand in one queue, which is not paced."""


class Pace(Protocol):
    """``forwarder.sinks.kinesis.pacing.Pacing``."""

    def admits(self, shard: str, size: int, now: float) -> bool:
        """Whether a shard takes a record of so many bytes now; if so, it is counted as sent."""

    def wait_seconds(self, shard: str, now: float) -> float:
        """How long it takes until the shard admits another."""
