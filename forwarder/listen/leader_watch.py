"""What somebody who stands by makes of who leads. Pure; time is an argument.

A name can be imitated, and a role of our own may hold the lock in a session that delivers nothing. What cannot be imitated without the
right to it is that the position moves: so that is what counts in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.database.lock_holders import Holder, usurpation

# A session of a role that may lead, under a name that is no listener's, is given so long to show that it does.
PATIENCE_SECONDS = 5.0
# A leader saves several times a second while something moves. If for so long something waits and nothing is saved, it is stuck.
STILL_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSave:
    """When a position was saved last; ``saved_at`` is to be compared only. Every leader, and every replay, begins an epoch."""

    epoch: int
    saved_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is wrong with whoever leads; None: nothing."""

    # Nothing is delivered: who has the leader's lock is no listener.
    usurpation: str | None = None
    # It is one that does not get on.
    warning: str | None = None


FINE = Verdict()


class Vigil:
    """Looks at one sink's leader again and again."""

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._holder: Holder | None = None
        self._last_save: LastSave | None = None
        self._has_saved = self._has_backlog = False
        self._held_since = self._still_since = 0.0

    def look(self, holders: Sequence[Holder], last_save: LastSave | None, *, has_backlog: bool, now: float) -> Verdict:
        """Judge those who have the lock, the most suspicious first. ``has_backlog``: a change of this sink is waiting now."""
        if not holders:
            self._holder = None
            return FINE
        holder = holders[0]
        self._follow(holder, last_save, now)
        # How old a change is says little: its transaction may have taken as long. What counts is how long we have seen one wait.
        if not (has_backlog and self._has_backlog):
            self._still_since = now
        self._has_backlog = has_backlog
        if holder.flaw or self._is_suspect(holder, now):
            return Verdict(usurpation=usurpation(self._sink, holders))
        still_seconds = now - self._still_since
        return Verdict(warning=self._warning(holder, still_seconds)) if still_seconds >= STILL_SECONDS else FINE

    def _follow(self, holder: Holder, last_save: LastSave | None, now: float) -> None:
        before, self._last_save = self._last_save, last_save
        # Its name may be another every time.
        if self._holder is None or (holder.pid, holder.prepared) != (self._holder.pid, self._holder.prepared):
            self._holder, self._has_saved = holder, False
            self._held_since = self._still_since = now
        elif last_save != before:
            self._still_since = now
            # A replay, which anybody may order, moves the position too, but into another epoch.
            self._has_saved |= bool(before and last_save and before.epoch == last_save.epoch)

    def _is_suspect(self, holder: Holder, now: float) -> bool:
        return not (holder.leads or self._has_saved or now - self._held_since < PATIENCE_SECONDS)

    def _warning(self, holder: Holder, seconds: float) -> str:
        return (
            f"the leader of sink {self._sink!r} has saved nothing for {seconds:.0f} seconds although changes wait: {holder}; see what its"
            f" /readyz and log say, and if it is no listener, end it: {holder.remedy}"
        )
