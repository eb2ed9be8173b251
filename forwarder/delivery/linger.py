"""When a request that would be small waits a moment for more records. Pure.

A request costs the client much the same for one record as for five hundred. So a request that cannot be filled is held back for a few
milliseconds, as long as

1. a page is being read, or waits to be taken, that may fill it, and
2. other requests are under way, which keep the stream busy.

The relay asks only while both hold.
"""

from math import inf

LINGER_SECONDS = 0.005


class Linger:
    """The wait of the next request, which begins when it is first found too small. ``now`` is seconds of any steady clock."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        # When the next request has waited long enough; infinity if it does not wait.
        self.until = inf

    def holds(self, *, ready: int, enough: int, now: float) -> bool:
        """Whether the next request is to wait: it may hold ``enough`` records, and ``ready`` are there."""
        if not 0 < ready < enough:
            self.until = inf
            return False
        self.until = min(self.until, now + LINGER_SECONDS)
        return now < self.until

    def end(self) -> None:
        """Let the next request wait no longer."""
        self.until = inf
