"""What `forwarder load` says of a load, in a line. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from forwarder.cli.terminal_text import safe
from forwarder.quantities import duration, size
from forwarder.store.loads import Load, LoadState


def title(load: Load) -> str:
    """Which load it is: ``default: public.orders``."""
    return safe(f"{load.sink}: {load.qualified_name}")


def progress(load: Load, rows_per_second: float = 0.0) -> str:
    """How far it has come: ``running, 12,000 of about 50,000 rows (3.1 MB), 6,000 rows/s, 6 s left``."""
    if load.begun is None:
        return load.state
    of_about = f" of about {load.estimated_rows:,}" if load.estimated_rows is not None else ""
    parts = [load.state, f"{load.rows:,}{of_about} rows ({size(load.bytes)})"]
    if load.state is LoadState.RUNNING and rows_per_second:
        parts.append(f"{rows_per_second:,.0f} rows/s")
        if (seconds := seconds_left(load, rows_per_second)) is not None:
            parts.append(f"{duration(seconds)} left")
    return ", ".join(parts)


def outcome(load: Load) -> str:
    """What has become of a load that has ended: ``12,000 rows (3.1 MB) in 2.0 s``."""
    if load.state is LoadState.FAILED:
        return f"failed after {load.rows:,} rows: {safe(load.error or '')}"
    if load.state is LoadState.CANCELLED:
        return f"cancelled after {load.rows:,} rows"
    return f"{load.rows:,} rows ({size(load.bytes)}) in {duration(taken_seconds(load))}"


def seconds_left(load: Load, rows_per_second: float) -> float | None:
    """How long it will take by the planner's estimate; None: that cannot be told, since there are more rows than were expected, for one."""
    if load.estimated_rows is None or load.estimated_rows <= load.rows or not rows_per_second:
        return None
    return (load.estimated_rows - load.rows) / rows_per_second


def taken_seconds(load: Load) -> float:
    """From its beginning to its end, or to now."""
    if load.started_at is None:
        return 0.0
    return ((load.finished_at or datetime.now(UTC)) - load.started_at).total_seconds()
