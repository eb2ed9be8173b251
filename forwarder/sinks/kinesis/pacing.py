"""How fast a shard that throttles may be written to: its quotas, or less where it says that even that is too much. Pure.

A shard is not paced until it throttles: an on-demand stream, or a shard that has room, takes what it is given. From then on it
has two token buckets, one of records and one of bytes (both counted as Kinesis does, data and partition key), that refill at
the shard's quotas. Their burst is half a second: the shard's own is a second, and the rest absorbs what the network does to our
timing. A shard that throttles us all the same is shared with somebody, so its buckets refill at a share of the quotas: it falls
by a factor at each throttle and rises steadily while records get through. After a quiet minute the shard is free again.

A throttle says that the shard's own buckets are empty. But what was on its way to it then, and is stored afterwards, is taken out of
them as well, so it is taken out of ours.

A shard that refuses a record is closed for some milliseconds. So requests do not shrink to the one record that has just
become possible, and small records do not overtake a large one for ever.

Source of the quotas: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
"""

from math import inf

RECORDS_PER_SECOND = 1000.0
BYTES_PER_SECOND = float(1 << 20)
BURST_SECONDS = 0.5

# A refused record waits at least this long, and so do those behind it.
REFILL_SECONDS = 0.02
# A throttled shard is left alone for this long.
HOLD_SECONDS = 0.1

# Without a throttle for this long, the shard is paced no more.
CALM_SECONDS = 60.0

FACTOR_ON_THROTTLE = 0.8
RISE_PER_SECOND = 0.05
LEAST_SHARE = 0.02

# What the arithmetic of floats may take from a wait, and more.
_ROUNDING_SECONDS = 1e-5

_BURST_RECORDS = RECORDS_PER_SECOND * BURST_SECONDS
_BURST_BYTES = BYTES_PER_SECOND * BURST_SECONDS


class _Pace:
    """One shard. Buckets as in ``forwarder.local.kinesis.token_bucket``, but two at once and of a varying rate: this runs for every record."""

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
        # It has just throttled, so there is nothing left in it.
        self.records = 0.0
        self.bytes = 0.0
        self.calm_at = now
        self.refilled_at = now
        self.share = 1.0
        self.throttled_at = now
        self.risen_at = now
        # Admits nothing until then; a throttle counts only after the hold that the one before it brought about.
        self.closed_until = now
        self.held_until = now

    def refill(self, now: float) -> None:
        """Add what has flowed in since the last time."""
        seconds = max(0.0, now - self.refilled_at) * self.share
        self.refilled_at = now
        self.records = min(_BURST_RECORDS, self.records + seconds * RECORDS_PER_SECOND)
        self.bytes = min(_BURST_BYTES, self.bytes + seconds * BYTES_PER_SECOND)

    def seconds_until(self, size: int) -> float:
        """How long until a record of this size can pass; a record above the burst needs a full bucket."""
        for_record = (1.0 - self.records) / RECORDS_PER_SECOND
        for_bytes = (min(size, _BURST_BYTES) - self.bytes) / BYTES_PER_SECOND
        return max(0.0, for_record, for_bytes) / self.share + _ROUNDING_SECONDS


class Pacing:
    """The paces of the shards that have throttled. ``now`` is seconds of any steady clock."""

    __slots__ = ("_paces", "_throttled_at")

    def __init__(self) -> None:
        self._paces: dict[str, _Pace] = {}
        # When any of them has throttled last.
        self._throttled_at = -inf

    def admits(self, shard: str, size: int, now: float) -> bool:
        """Whether a record of ``size`` bytes may go to this shard now; if so, its share is spent.

        A record that is larger than the burst passes a full bucket and leaves it in debt.
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
        """The shard has refused a record, offered at ``sent``, as too much: slow down, and leave it alone for a moment."""
        pace = self._paces.get(shard)
        if pace is None:
            pace = self._paces[shard] = _Pace(now)
        elif sent < pace.held_until:
            # It was on its way when the shard throttled before, however long the answer took.
            return
        else:
            pace.refill(now)
            pace.share = max(LEAST_SHARE, pace.share * FACTOR_ON_THROTTLE)
        self._throttled_at = pace.throttled_at = pace.risen_at = now
        pace.calm_at = now + CALM_SECONDS
        pace.held_until = now + HOLD_SECONDS
        pace.closed_until = max(pace.closed_until, pace.held_until)

    def has_throttled_since(self, sent: float) -> bool:
        """Whether any shard has."""
        return sent < self._throttled_at

    def stored(self, shard: str, size: int, now: float, *, sent: float) -> None:
        """The shard has stored a record of ``size`` bytes that was sent at that time: if it has throttled since, that counts."""
        pace = self._paces.get(shard)
        if pace is None or sent >= pace.throttled_at:
            return
        pace.refill(now)
        pace.records -= 1.0
        pace.bytes -= size

    def succeeded(self, shard: str, now: float) -> None:
        """The shard has stored records: after a throttle, speed up by as much as the time since the last news allows."""
        pace = self._paces.get(shard)
        if pace is None or pace.share >= 1.0 or now < pace.held_until:
            return
        # Silence is no news: a shard that was not written to for a minute has not proved anything in it.
        seconds = min(1.0, max(0.0, now - pace.risen_at))
        pace.refill(now)
        pace.share = min(1.0, pace.share + seconds * RISE_PER_SECOND)
        pace.risen_at = now
