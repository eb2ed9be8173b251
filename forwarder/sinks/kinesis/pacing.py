"""How fast a shard that throttles may be written to. Pure.

A shard is not paced until it throttles: an on-demand stream, or a shard that has room, takes what it is given. From its first throttle on:

1. It has two token buckets, one of records and one of bytes (data and partition key, as Kinesis counts). They refill at the quotas of a
   shard, 1,000 records and 1 MiB a second, and hold half a second's worth. The shard's own buckets hold a second's; the other half
   absorbs what the network does to our timing.
2. If it throttles although we keep to that, somebody else writes to it too. So the buckets refill at a share of the quotas. The share
   begins at 1, is multiplied by 0.8 at each throttle, and rises by 0.05 a second while records are stored.
3. For 0.1 s after a throttle it is given nothing. Throttles of what was sent before the end of that time do not count.
4. A throttle says that the shard's own buckets are empty. What is under way to it at that moment, and is stored afterwards, is taken out
   of the shard's buckets, so it is taken out of ours.
5. If the buckets have too little for a record, the shard is closed until they have enough, and for 20 ms at least. Else each request
   would carry the one record that has just become possible, and small records would overtake a large one for ever.
6. After a minute without a throttle it is not paced any more.

Source of the quotas: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
"""

from math import inf

RECORDS_PER_SECOND = 1000.0
BYTES_PER_SECOND = float(1 << 20)
BURST_SECONDS = 0.5

# A shard whose buckets have too little is closed for at least this long.
REFILL_SECONDS = 0.02
# A throttled shard is left alone for this long.
HOLD_SECONDS = 0.1

# Without a throttle for this long, the shard is paced no more.
CALM_SECONDS = 60.0

FACTOR_ON_THROTTLE = 0.8
RISE_PER_SECOND = 0.05
LEAST_SHARE = 0.02

# Added to a wait, so that no rounding of floats makes it too short.
_ROUNDING_SECONDS = 1e-5

_BURST_RECORDS = RECORDS_PER_SECOND * BURST_SECONDS
_BURST_BYTES = BYTES_PER_SECOND * BURST_SECONDS


class _Pace:
    """The buckets and the share of one shard. Both buckets stand in one object, since this runs for every record."""

    __slots__ = (
        "bytes",
        "calm_at",
        "closed_until",
        "held_until",
        "records",
        "refilled_at",
        "risen_at",
        "share",
        "throttled_at",
    )

    def __init__(self, now: float) -> None:
        # The shard has just throttled, so its buckets are empty.
        self.records = 0.0
        self.bytes = 0.0
        self.calm_at = now
        self.refilled_at = now
        self.share = 1.0
        self.throttled_at = now
        self.risen_at = now
        # Until when nothing is admitted.
        self.closed_until = now
        # Until when nothing is admitted because of a throttle. Throttles of what was sent before then do not count.
        self.held_until = now

    def refill(self, now: float) -> None:
        """Add to the buckets what has flowed in since the last refill."""
        seconds = max(0.0, now - self.refilled_at) * self.share
        self.refilled_at = now
        self.records = min(_BURST_RECORDS, self.records + seconds * RECORDS_PER_SECOND)
        self.bytes = min(_BURST_BYTES, self.bytes + seconds * BYTES_PER_SECOND)

    def seconds_until(self, size: int) -> float:
        """How long until the buckets have enough for a record of this size; one above the burst needs a full bucket of bytes."""
        for_record = (1.0 - self.records) / RECORDS_PER_SECOND
        for_bytes = (min(size, _BURST_BYTES) - self.bytes) / BYTES_PER_SECOND
        return max(0.0, for_record, for_bytes) / self.share + _ROUNDING_SECONDS


class Pacing:
    """The paces of the shards that have throttled. ``now`` is seconds of any steady clock."""

    __slots__ = ("_paces", "_throttled_at")

    def __init__(self) -> None:
        self._paces: dict[str, _Pace] = {}
        # When a shard, whichever it was, has throttled last.
        self._throttled_at = -inf

    def admits(self, shard: str, size: int, now: float) -> bool:
        """Whether a record of ``size`` bytes may go to this shard now; if so, it is taken out of the buckets.

        A record above the burst may go when the bucket of bytes is full, and leaves less than nothing in it.
        """
        pace = self._paces.get(shard)
        if pace is None:
            return True
        if now < pace.closed_until:
            return False
        if now >= pace.calm_at:
            del self._paces[shard]
            return True
        if now != pace.refilled_at:
            pace.refill(now)
        if pace.records >= 1.0 and (pace.bytes >= size or pace.bytes >= _BURST_BYTES):
            pace.records -= 1.0
            pace.bytes -= size
            return True
        pace.closed_until = now + max(REFILL_SECONDS, pace.seconds_until(size))
        return False

    def wait_seconds(self, shard: str, now: float) -> float:
        """How long this shard admits nothing; 0.0 when it is worth asking."""
        pace = self._paces.get(shard)
        return max(0.0, pace.closed_until - now) if pace else 0.0

    def throttled(self, shard: str, now: float, *, sent: float) -> None:
        """The shard has throttled a record that was sent at ``sent``: slow down, and give it nothing for a moment."""
        pace = self._paces.get(shard)
        if pace is None:
            pace = self._paces[shard] = _Pace(now)
        elif sent < pace.held_until:
            # Sent before the hold ended, which the throttle before this one began: it says nothing new.
            return
        else:
            pace.refill(now)
            pace.share = max(LEAST_SHARE, pace.share * FACTOR_ON_THROTTLE)
        self._throttled_at = pace.throttled_at = pace.risen_at = now
        pace.calm_at = now + CALM_SECONDS
        pace.held_until = now + HOLD_SECONDS
        pace.closed_until = max(pace.closed_until, pace.held_until)

    def has_throttled_since(self, sent: float) -> bool:
        """Whether any shard has throttled after that time."""
        return sent < self._throttled_at

    def stored(self, shard: str, size: int, now: float, *, sent: float) -> None:
        """The shard has stored a record of ``size`` bytes; if it was sent before the last throttle, it is taken out of the buckets."""
        pace = self._paces.get(shard)
        if pace is None or sent >= pace.throttled_at:
            return
        pace.refill(now)
        pace.records -= 1.0
        pace.bytes -= size

    def succeeded(self, shard: str, now: float) -> None:
        """The shard has stored records: its share rises by 0.05 for each second since it changed last."""
        pace = self._paces.get(shard)
        if pace is None or pace.share >= 1.0 or now < pace.held_until:
            return
        # A second counts at most: a shard that was not written to for a minute has not shown that it takes more.
        seconds = min(1.0, max(0.0, now - pace.risen_at))
        pace.refill(now)
        pace.share = min(1.0, pace.share + seconds * RISE_PER_SECOND)
        pace.risen_at = now
