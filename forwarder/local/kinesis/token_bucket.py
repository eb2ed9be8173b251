"""A token bucket: how much may pass now, and how long until more may. Pure: time is an argument."""


class TokenBucket:
    """Refills at ``rate`` units a second, up to ``burst``.

    An amount above ``burst`` passes when the bucket is full. Its level is negative then, and nothing passes until it has been refilled: so
    the average rate holds, and no amount waits for ever. That is how Kinesis lets a record of 10 MiB into a shard of 1 MiB a second, and a
    read of 10 MiB out of a shard of 2 MiB a second ("subsequent calls within the next 5 seconds throw").
    """

    __slots__ = ("_burst", "_level", "_rate", "_seen")

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._seen = now

    def holds(self, amount: float, *, now: float) -> bool:
        """Whether ``amount`` may pass at ``now`` (seconds, of any steady clock); takes nothing."""
        self._refill(now)
        return self._level >= min(amount, self._burst)

    def spend(self, amount: float) -> None:
        """Take ``amount`` out; to be called after ``holds``, which has refilled the bucket. The level may fall below zero."""
        self._level -= amount

    def wait_seconds(self, amount: float, *, now: float) -> float:
        """How long until ``amount`` may pass if nobody else takes any: 0.0 when it may pass now."""
        self._refill(now)
        return max(0.0, (min(amount, self._burst) - self._level) / self._rate)

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - self._seen)
        self._seen = now
        self._level = min(self._burst, self._level + elapsed * self._rate)
