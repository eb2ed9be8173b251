"""When a request that would be small waits a moment for more. Pure.

A request costs the client much the same for one record as for five hundred. So while a page is being read that may fill it, and
other requests are under way, which keep the stream busy, a request that cannot be filled is held back for a few milliseconds.
"""

from math import inf

LINGER_SECONDS = 0.005


class Linger:
    """The wait of the next request, from the first time that it was too small. ``now`` is seconds of any steady clock."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        # When the request under consideration has waited long enough; infinity if none waits.
        self.until = inf

    def holds(self, *, ready: int, enough: int, now: float) -> bool:
        """Whether to wait on: of ``enough`` records only ``ready`` are there, and more are on their way."""
        if not 0 < ready < enough:
            self.until = inf
            return False
        self.until = min(self.until, now + LINGER_SECONDS)
        return now < self.until

    def end(self) -> None:
        """Nothing is worth waiting for any more."""
        self.until = inf
