"""Warns of an outbox that is too large, and of changes that wait too long; and says when to pause capture. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Paused capture is resumed below this part of max_bytes, so that the changes that come at once do not pause it again.
RESUME_PART = 0.8

PAUSED = (
    "capture is paused, and changes are being missed: the outbox is above max_bytes; see which sink is late, and compare the"
    " tables with what the stream has when it is over"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a sink has not delivered yet."""

    sink: str
    # How long its oldest undelivered change has been waiting; None if there is none.
    waiting_seconds: float | None
    # About how many changes that are, and how many were set aside and are still there, as backlogs.sql counts them.
    changes: int = 0
    dead_letters: int = 0


def warnings(
    backlogs: Sequence[Backlog], *, outbox_bytes: int, warn_bytes: int, warn_age_seconds: float, is_paused: bool
) -> tuple[str, ...]:
    """One line for each limit that is exceeded: what, by how much, and what to do."""
    late = [backlog for backlog in backlogs if (backlog.waiting_seconds or 0.0) > warn_age_seconds]
    lines = [PAUSED] if is_paused else []
    lines += [
        f"sink {backlog.sink!r} has not delivered a change for {backlog.waiting_seconds:.0f} seconds, and the outbox keeps what"
        " it lacks; see whether its listener runs and its stream takes records"
        for backlog in late
    ]
    if outbox_bytes > warn_bytes:
        remedy = "the late sinks hold it" if late else "lower retention_seconds or leaf_events, or raise warn_bytes"
        lines.append(
            f"the outbox takes {_gibibytes(outbox_bytes)}, more than warn_bytes ({_gibibytes(warn_bytes)}); {remedy}"
        )
    return tuple(lines)


def is_to_pause(*, outbox_bytes: int, max_bytes: int | None, is_paused: bool) -> bool:
    """Whether capture should be paused: above ``max_bytes``, or if it is paused already, above ``RESUME_PART`` of that."""
    if max_bytes is None:
        return False
    return outbox_bytes > (RESUME_PART * max_bytes if is_paused else max_bytes)


def _gibibytes(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB"
