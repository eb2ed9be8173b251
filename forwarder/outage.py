"""How often in a row a sink has stored nothing at all. Pure.

A record that waits because the whole sink is in trouble waits as long as that trouble suggests, not as long as the unluckiest
record of its request: else, where many requests fail but most do not, some lanes would wait for seconds.
"""

from math import inf


class Outage:
    """Failures are counted once for all requests that were under way together. Times are seconds of any steady clock."""

    __slots__ = ("_failed_at", "_failures")

    def __init__(self) -> None:
        self._failures = 0
        self._failed_at = -inf

    def failed(self, *, began: float, now: float) -> int:
        """Of a request that began then, nothing is stored; how often in a row that has happened."""
        if began >= self._failed_at:
            self._failures += 1
            self._failed_at = now
        return self._failures

    def ended(self) -> None:
        """The sink has stored something."""
        self._failures = 0
        self._failed_at = -inf
