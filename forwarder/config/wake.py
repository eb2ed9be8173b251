"""Decides how a listener learns of new changes: writers notify it, or it looks at intervals. Pure.

A transaction that has called NOTIFY cannot be prepared for two-phase commit. So on a server that lets transactions be prepared, writers do not
notify, unless the user wants it so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Wake = Literal["auto", "doorbell", "poll"]

# From one look at the outbox to the next under wake = auto, where writers do not notify.
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Waking:
    """What a listener does when it has delivered everything."""

    wake: Literal["doorbell", "poll"]
    # The longest that it sleeps without looking at the outbox.
    interval_seconds: float
    # Why it is so, for the log.
    reason: str
    # What the user should know, and do about it; None if there is nothing.
    warning: str | None = None

    def __str__(self) -> str:
        rings = self.wake == "doorbell"
        how = (
            "writers will notify the listener" if rings else f"the listener will look every {self.interval_seconds:g} s"
        )
        return f"{how}: {self.reason}"


def waking(wake: Wake, *, poll_interval_seconds: float, max_prepared_transactions: int) -> Waking:
    """What the settings mean on a server with this ``max_prepared_transactions``; 0: it refuses PREPARE TRANSACTION."""
    if wake == "poll":
        return Waking(wake="poll", interval_seconds=poll_interval_seconds, reason='wake is "poll"')
    if wake == "doorbell":
        return Waking(
            wake="doorbell",
            interval_seconds=poll_interval_seconds,
            reason='wake is "doorbell"',
            warning=_RINGS_ANYHOW.format(max_prepared_transactions) if max_prepared_transactions else None,
        )
    if max_prepared_transactions:
        return Waking(
            wake="poll",
            interval_seconds=min(LOOK_SECONDS, poll_interval_seconds),
            reason=f"max_prepared_transactions is {max_prepared_transactions}, and a transaction that notifies cannot be prepared",
        )
    return Waking(
        wake="doorbell",
        interval_seconds=poll_interval_seconds,
        reason="max_prepared_transactions is 0, so no transaction can be prepared",
    )


_RINGS_ANYHOW = (
    'wake is "doorbell" and max_prepared_transactions is {}: PREPARE TRANSACTION fails where captured tables were changed while the'
    " listener slept; set wake to \"auto\", or max_prepared_transactions to 0, or say SET forwarder.wake = 'poll' in sessions that prepare"
)
