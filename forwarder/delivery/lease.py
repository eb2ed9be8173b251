"""How long a leader may go on sending without having heard that it still leads. Pure; time is an argument.

The server gives the leader's lock to another listener when it has heard nothing on the leader's session for
``forwarder.store.leadership.SILENCE_SECONDS``. The lease is shorter, and begins earlier. Example, in seconds:

     0.0   the leader asks for a proof: the lease counts from here
     0.2   the server gets the question, and counts the silence from here
    15.0   the lease is over: nothing more is sent
    20.2   the server ends the session, and another listener may lead
"""

from __future__ import annotations

from forwarder.errors import Deposed

LEASE_SECONDS = 15.0


class Lease:
    """Begins when the first proof is asked for, and is renewed by every later one. Times are those of ``uptime.uptime_seconds``."""

    def __init__(self, *, asked_at: float) -> None:
        self._asked_at = asked_at

    def renew(self, *, asked_at: float) -> None:
        """The leadership is proved, by an answer that was asked for at this time."""
        self._asked_at = max(self._asked_at, asked_at)

    def check(self, *, now: float) -> None:
        """Return if something may be sent now.

        Raises:
            Deposed: the lease is over; somebody else may lead.
        """
        silent_seconds = now - self._asked_at
        if silent_seconds >= LEASE_SECONDS:
            raise Deposed(f"the leadership could not be proved for {silent_seconds:.0f} s; nothing more is sent")
