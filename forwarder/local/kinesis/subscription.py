"""Consumers of a stream, and the shards that they are subscribed to. No I/O, and time is an argument."""

from dataclasses import dataclass, field

from forwarder.local.kinesis.errors import KinesisError
from forwarder.local.kinesis.log import ShardLog, Slice
from forwarder.local.kinesis.token_bucket import TokenBucket

LIFETIME_SECONDS = 300.0
# So soon a consumer cannot subscribe to the same shard again.
PAUSE_SECONDS = 5.0
BYTES_PER_SECOND = 2 << 20
MAX_EVENT_RECORDS = 10_000


class Subscription:
    """The records of one shard from a position on, for one consumer: 2 MiB a second, for five minutes at most."""

    def __init__(self, log: ShardLog, *, shard_number: int, position: int, limits: bool, now: float) -> None:
        self.shard_number = shard_number
        self.position = position
        self.began_at = now
        # Why it is over, if somebody has ended it.
        self.ending: KinesisError | None = None
        self._log = log
        self._bucket = TokenBucket(rate=BYTES_PER_SECOND, burst=BYTES_PER_SECOND, now=now) if limits else None

    def is_over(self, *, now: float) -> bool:
        """Whether its time is over, and it is to be renewed."""
        return now >= self.began_at + LIFETIME_SECONDS

    def wait_seconds(self, *, now: float) -> float:
        """How long nothing may be sent, since so much has been."""
        return self._bucket.wait_seconds(1, now=now) if self._bucket else 0.0

    def read(self, *, now: float) -> Slice:
        """What there is to read, after ``wait_seconds`` has been found to be 0."""
        found = self._log.read(self.position, limit=MAX_EVENT_RECORDS, now=now)
        self.position = found.next_position
        if self._bucket:
            self._bucket.spend(found.size)
        return found


@dataclass(slots=True, kw_only=True)
class Consumer:
    """One consumer. ``subscriptions`` are its last ones, by the numbers of shards."""

    name: str
    arn: str
    created_at: float
    active_at: float
    tags: dict[str, str] = field(default_factory=dict)
    policy: str | None = None
    subscriptions: dict[int, Subscription] = field(default_factory=dict)

    def status(self, *, now: float) -> str:
        return "ACTIVE" if now >= self.active_at else "CREATING"

    def end(self, reason: KinesisError) -> None:
        """End all subscriptions."""
        for subscription in self.subscriptions.values():
            subscription.ending = reason
