"""One stream: its status, its shards, and the records in them. No I/O, and time is an argument.

A stream is CREATING, ACTIVE, UPDATING or DELETING. A change is begun at one time and takes effect at a later one; no timer is needed for
that, since ``settle`` is called with the time before every operation. Until a reshard takes effect, the parents go on taking records, as
on AWS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import md5
from typing import Literal

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.budget import ShardBudget
from forwarder.local.kinesis.log import ShardLog, Slice
from forwarder.local.kinesis.protocol import PutRecordsEntry, PutResult, Record
from forwarder.local.kinesis.sequence import Numbering
from forwarder.local.kinesis.shards import HashRing, Shard
from forwarder.local.kinesis.subscription import Consumer

THROTTLED = "ProvisionedThroughputExceededException"
# For how many keys the shard is remembered.
CACHED_KEYS = 1 << 16
Status = Literal["CREATING", "ACTIVE", "UPDATING", "DELETING"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a stream is called, in requests and in error messages."""

    name: str
    account_id: str
    region: str

    @property
    def arn(self) -> str:
        return self.arn_in(None)

    def arn_in(self, region: str | None) -> str:
        """The ARN as a client of this region sees it; None: of the server's own region."""
        return f"arn:aws:kinesis:{region or self.region}:{self.account_id}:stream/{self.name}"

    @property
    def inline(self) -> str:
        """As it is named within a sentence of an error message."""
        return f"stream {self.name} under account {self.account_id}"

    def __str__(self) -> str:
        return f"Stream {self.name} under account {self.account_id}"


@dataclass(slots=True, kw_only=True)
class StreamSettings:
    """What can be changed of a stream."""

    mode: str = "PROVISIONED"
    max_record_kib: int = 1024
    distribution: str = "USER_PARTITION_KEY"
    retention_hours: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    due_at: float
    apply: Callable[[float], None]


class Stream:
    """One stream. ``shards`` has all of its shards, open and closed, in the order of their creation."""

    def __init__(
        self,
        identity: Identity,
        *,
        settings: StreamSettings,
        shards: Sequence[Shard],
        limits: bool,
        discard: bool,
        now: float,
    ) -> None:
        self.identity = identity
        self.settings = settings
        self.created_at = now
        self.status: Status = "ACTIVE"
        self.tags: dict[str, str] = {}
        self.policy: str | None = None
        self.consumers: dict[str, Consumer] = {}
        self.shards: Sequence[Shard] = ()
        self.limits = limits
        self._discard = discard
        self._logs: list[ShardLog] = []
        self._budgets: list[ShardBudget] = []
        self._numberings: list[Numbering] = []
        self._change: _Change | None = None
        self._turn = 0
        self.reshape(shards, now=now)

    @property
    def name(self) -> str:
        return self.identity.name

    def begin(self, status: Status, apply: Callable[[float], None], *, due_at: float) -> None:
        """Enter ``status``; at ``due_at`` run ``apply`` with that time and be ACTIVE again."""
        self.status = status
        self._change = _Change(due_at=due_at, apply=apply)

    def settle(self, *, now: float) -> None:
        """Let a change that is due take effect."""
        change = self._change
        if change and now >= change.due_at:
            self._change = None
            self.status = "ACTIVE"
            change.apply(change.due_at)

    def reshape(self, shards: Sequence[Shard], *, now: float) -> None:
        """Take over a new list of shards: the present ones, some of which may be closed now, and new ones behind them."""
        for shard in shards[len(self.shards) :]:
            numbering = Numbering(shard_number=shard.number, created_second=shard.created_second)
            self._numberings.append(numbering)
            self._logs.append(ShardLog(numbering, discard=self._discard))
            self._budgets.append(ShardBudget(now=now))
        self.shards = shards
        self._ring = HashRing(shards)
        self._number_of_key = lru_cache(maxsize=CACHED_KEYS)(partial(_number_of_key, self._ring))
        self._shard_ids = [shard.shard_id for shard in shards]
        self._open = [shard.number for shard in shards if shard.is_open]

    def put(self, entry: PutRecordsEntry, *, now: float) -> PutResult:
        """Store one record, unless its shard is at its limit; what became of it."""
        partition_key = entry.partition_key or ""
        number = self._route(partition_key, entry.explicit_hash_key)
        if self.limits and not self._budgets[number].admits_record(_size(entry, partition_key), now=now):
            return PutResult(error_code=THROTTLED, error_message=self._rate_exceeded(number))
        sequence_number = self._logs[number].append(entry.data, partition_key, now=now)
        return PutResult(shard_id=self._shard_ids[number], sequence_number=sequence_number)

    def fail(self, entry: PutRecordsEntry, *, error_code: str) -> PutResult:
        """The result of a record that is to fail with ``error_code``; nothing is stored."""
        if error_code != THROTTLED:
            return PutResult(error_code=error_code, error_message="Internal service failure.")
        number = self._route(entry.partition_key or "", entry.explicit_hash_key)
        return PutResult(error_code=THROTTLED, error_message=self._rate_exceeded(number))

    def read(self, number: int, position: int, *, limit: int, now: float) -> Slice:
        """Read from shard ``number``.

        Raises:
            KinesisError: the shard is at its read limit.
        """
        if not self.limits:
            return self._logs[number].read(position, limit=limit, now=now)
        if not self._budgets[number].admits_read(now=now):
            raise errors.throttled(self._rate_exceeded(number))
        found = self._logs[number].read(position, limit=limit, now=now)
        self._budgets[number].spend_read(found.size)
        return found

    @property
    def record_count(self) -> int:
        """How many records have been put, discarded ones included."""
        return sum(log.end for log in self._logs)

    def log(self, number: int) -> ShardLog:
        return self._logs[number]

    def records(self, shard_id: str | None = None) -> list[Record]:
        """The records of one shard, or of all: parents before their children, and those of a shard in their order."""
        wanted = [shard for shard in self.shards if shard_id in (None, shard.shard_id)]
        return [record for shard in wanted for record in self._logs[shard.number].all_records()]

    def data(self) -> list[bytes]:
        """The data of all records, in the same order."""
        return [data for shard in self.shards for data in self._logs[shard.number].all_data()]

    def sequence_range(self, shard: Shard) -> tuple[str, str | None]:
        """The sequence number that opens a shard, and the one that ends it once it is closed."""
        numbering = self._numberings[shard.number]
        last = None if shard.closed_at is None else numbering.last(second=int(shard.closed_at))
        return numbering.at(0, second=shard.created_second), last

    def sequence_number(self, shard: Shard, position: int) -> str:
        """The number of the record before ``position``, after which one reads on from there; at 0, that which opens the shard."""
        return self._logs[shard.number].number_before(position) or self.sequence_range(shard)[0]

    def _route(self, partition_key: str, explicit_hash_key: str | None) -> int:
        """The number of the shard for a record. With the AUTO distribution each open shard has its turn, whatever the key."""
        if self.settings.distribution == "AUTO":
            self._turn += 1
            return self._open[self._turn % len(self._open)]
        if explicit_hash_key is not None:
            return self._ring.number_of(int(explicit_hash_key))
        return self._number_of_key(partition_key)

    def _rate_exceeded(self, number: int) -> str:
        return f"Rate exceeded for shard {self._shard_ids[number]} in {self.identity.inline}."


def _number_of_key(ring: HashRing, partition_key: str) -> int:
    return ring.number_of(int.from_bytes(md5(partition_key.encode(), usedforsecurity=False).digest()))


def _size(entry: PutRecordsEntry, partition_key: str) -> int:
    return len(entry.data) + len(partition_key.encode())
