"""How long a leader may go on sending without having heard that it still leads. Pure; time is an argument.

The server gives the leader's lock away when its session has been silent for ``leadership.SILENCE_SECONDS``. The lease is
shorter, and counts from before the last proof was asked for: it ends before the server's patience does.
"""

from __future__ import annotations

from forwarder.errors import Unavailable

LEASE_SECONDS = 15.0


class Lease:
    """Begins with the first proof, and is renewed by every later one."""

    def __init__(self, *, asked_at: float) -> None:
        self._asked_at = asked_at

    def renew(self, *, asked_at: float) -> None:
        """The leadership is proved; the proof was asked for at this time, by ``uptime.uptime_seconds``."""
        self._asked_at = max(self._asked_at, asked_at)

    def check(self, *, now: float) -> None:
        """Return if something may be sent now.

        Raises:
            Unavailable: the lease is over; somebody else may lead.
        """
        silent_seconds = now - self._asked_at
        if silent_seconds >= LEASE_SECONDS:
            raise Unavailable(f"the leadership could not be proved for {silent_seconds:.0f} s; nothing more is sent")
