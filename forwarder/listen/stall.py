"""Whether a sink gets on that has something to deliver, whatever keeps it from that. Pure; time is an argument."""

from __future__ import annotations

# Longer than any request may take, or any pause: a sink that delivers nothing for so long is stuck, or refuses everything.
STILL_SECONDS = 60.0


class StallDetector:
    """For how long one sink has not got on. ``look`` is called every few seconds."""

    __slots__ = ("_progress", "_since", "_waited")

    def __init__(self) -> None:
        self._progress = -1
        self._since = 0.0
        self._waited = False

    def look(self, *, progress: int, waiting: int, now: float) -> str | None:
        """What is wrong, or None. ``progress`` grows with each change that is delivered, and ``waiting`` changes are in memory."""
        if progress != self._progress or not (waiting and self._waited):
            self._since = now
        self._progress, self._waited = progress, waiting > 0
        seconds = now - self._since
        if seconds < STILL_SECONDS:
            return None
        return (
            f"nothing was acknowledged for {seconds:.0f} seconds although {waiting} changes wait in memory; see the log, and the sink's"
            " own health"
        )
