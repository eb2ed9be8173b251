"""How long it takes until what waits for a sink is delivered, and until a load is done. Pure."""

from __future__ import annotations

from forwarder.store.listeners import Figures
from forwarder.store.loads import Load, LoadState

# A backlog that is delivered in less than that is what a sink has under way; whether it falls means nothing then.
UNDER_WAY_SECONDS = 5.0


def seconds_left(lag_events: int | None, figures: Figures | None) -> float | None:
    """Until so many changes are delivered; None: the backlog does not fall, or nobody knows.

    ``figures``: the last minute of the sink; None: nobody leads it.
    """
    if lag_events is None:
        return None
    if lag_events == 0:
        return 0.0
    if figures is None:
        return None
    delivered = figures.delivered_per_second
    if delivered and lag_events / delivered <= UNDER_WAY_SECONDS:
        return round(lag_events / delivered, 1)
    fall = figures.backlog_fall_per_second
    return round(lag_events / fall, 1) if fall and fall > 0 else None


def seconds_of_load(load: Load) -> float | None:
    """Until a load has read the rows that the planner expects, as fast as so far; None: it does not run, or that cannot be told."""
    if load.state is not LoadState.RUNNING or load.started_at is None or load.estimated_rows is None:
        return None
    seconds = (load.updated_at - load.started_at).total_seconds()
    if seconds <= 0 or not load.rows or load.rows >= load.estimated_rows:
        return None
    return round((load.estimated_rows - load.rows) * seconds / load.rows, 1)


def percent(load: Load) -> str:
    """How much of the rows that the planner expects a load has read: ``42 %``."""
    if not load.estimated_rows:
        return f"{load.rows:,} rows"
    return f"{min(99, load.rows * 100 // load.estimated_rows)} %"
