"""The change that gives the leaves of the outbox another size. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# The size that sql/migrations/0001_outbox.sql gives them.
FIRST_LEAF_EVENTS = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class LayOut:
    """Give the outbox leaves of another size."""

    found_events: int
    leaf_events: int
    table: str = "forwarder.outbox"

    @property
    def sql(self) -> str:
        """For one transaction; takes ACCESS EXCLUSIVE on the outbox, and keeps it while undelivered changes are copied."""
        # Notes up to which transaction changes may have been dropped. Under the lock, all of them have been committed, so they are below the xmax
        # of a snapshot of now.
        note = "SELECT forwarder.note_dropped(pg_snapshot_xmax(pg_current_snapshot()));"
        return f"SELECT forwarder.lay_out({self.leaf_events});\n{note}"


def layout(found_events: int | None, wanted_events: int | None) -> tuple[LayOut, ...]:
    """What to change so that the leaves are as large as wanted; ``wanted_events`` None leaves them as they are.

    ``found_events`` None: there is no outbox yet.
    """
    found = found_events or FIRST_LEAF_EVENTS
    if wanted_events in (None, found):
        return ()
    return (LayOut(found_events=found, leaf_events=wanted_events),)
