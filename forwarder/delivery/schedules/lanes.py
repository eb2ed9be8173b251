"""Order per key while many requests are in flight, at the pace of each shard. Pure: time is an argument, O(1) work a record.

PutRecords is not atomic: it can refuse one record and store a later one of the same key. So the records of one partition key
form a lane, and a lane has at most one record that is offered and not settled; its next waits. Lanes do not wait for each
other.

    waiting ──heads its lane──► ready ──take──► offered ──settle──► gone; the next of the lane heads it
                                  ▲                │
                                  └────put_back────┘

A lane exists as long as it has a head. The head is ready or offered; whatever is behind it is reachable only through the
lane, which gives up its next record when the head is settled, and not before. That is the whole proof of the rule.

Ready heads stand in the queue of the shard they are predicted to go to. The queues take turns. One whose shard admits nothing
now rests until it does, so a hot shard slows its own lanes and costs the others nothing:

    idle ──a head is ready──► in turn ──the shard refuses its first head──► resting
      ▲                        │   ▲                                          │
      └────no head is left─────┘   └───────────────it is time─────────────────┘

With aggregation a head takes what waits behind it along: ``forwarder.delivery.schedules.aggregates``.

A head with something attached is not ready before that is stored, which somebody else does: he takes it, and puts it back.
Nothing of this kind is a follower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush, nlargest
from typing import Protocol

from forwarder.delivery.schedules.aggregates import gather, lane_of, send_back
from forwarder.records.record import Lane, Record

# How many records a shard may add to a request at its turn, even if there are very many shards.
LEAST_SHARE = 32
# A shard that rests is asked again after this long at the latest: what waited for it may have moved to another meanwhile.
LONGEST_REST_SECONDS = 1.0

ShardOf = Callable[[str], str | None]


def unknown(_: str) -> None:
    """As long as nobody knows the shards, all records stand in one queue, which is not paced."""


class Pace(Protocol):
    """``forwarder.sinks.kinesis.pacing.Pacing``."""

    def admits(self, shard: str, size: int, now: float) -> bool: ...
    def wait_seconds(self, shard: str, now: float) -> float: ...


class _Queue:
    """The heads of one shard that are ready, the longest ready first."""

    __slots__ = ("heads", "is_idle", "is_resting", "shard")

    def __init__(self, shard: str | None) -> None:
        self.shard = shard
        self.heads: deque[Record] = deque()
        self.is_idle = True
        self.is_resting = False


class Lanes:
    """The records in memory, by partition key, and the ready ones of them by shard."""

    __slots__ = (
        "_aggregate_bytes",
        "_lanes",
        "_pacing",
        "_queues",
        "_resting",
        "_shard_of",
        "_turn",
        "_unstored",
        "bytes",
        "ready",
        "records",
    )

    def __init__(self, pacing: Pace, *, shard_of: ShardOf = unknown, aggregate_bytes: int = 0) -> None:
        """``aggregate_bytes``: how large an aggregate may be, data and partition key together; 0: none is made."""
        self._pacing = pacing
        self._aggregate_bytes = aggregate_bytes
        self._shard_of = shard_of
        self._lanes: dict[str, Lane] = {}
        self._queues: dict[str | None, _Queue] = {}
        # Queues with ready heads that are not resting.
        self._turn: deque[_Queue] = deque()
        # The others with ready heads, by the time at which they take turns again. Queues are not compared, hence their ids.
        self._resting: list[tuple[float, int, _Queue]] = []
        # Heads whose attachments are to be stored, and nobody has taken them yet.
        self._unstored: list[Record] = []
        # The heads that may be offered now, those of resting shards not included.
        self.ready = 0
        # What is in memory: waiting, ready or offered; followers included.
        self.records = 0
        self.bytes = 0

    def extend(self, records: Sequence[Record]) -> None:
        """Append records, each at the end of its lane."""
        lanes, shard_of = self._lanes, self._shard_of
        count = size = 0
        for record in records:
            key = record.partition_key
            lane = lanes.get(key)
            if lane is None:
                lane = lanes[key] = Lane(shard_of(key))
                self._make_ready(record, lane)
            elif lane.behind is None:
                lane.behind = deque((record,))
            else:
                lane.behind.append(record)
            count += 1
            size += len(record.data)
        self.records += count
        self.bytes += size

    def take(self, *, max_records: int, max_bytes: int, now: float) -> Sequence[Record]:
        """Offer ready records that their shards admit now, as many as one request may carry.

        Empty if no shard admits any; ``next_due`` says when to try again. Otherwise at least one, whatever its size.
        ``max_bytes`` counts data and partition keys, as Kinesis does.
        """
        self._wake(now)
        offered: list[Record] = []
        turn, room = self._turn, max_bytes
        # Equal parts, if they are not too small to be worth a turn.
        share = max(LEAST_SHARE, max_records // max(1, len(turn)))
        while turn and room > 0 and (left := max_records - len(offered)):
            room = self._take_from(turn.popleft(), offered, min(share, left), room, now)
        return offered

    def settle(self, records: Sequence[Record]) -> None:
        """Drop offered records that are delivered, and their followers; the next of each lane becomes ready."""
        lanes = self._lanes
        count = size = 0
        for record in records:
            count += 1
            size += len(record.data)
            record.undelivered.remove(record.seq)
            if record.followers:
                self._drop_followers(record)
            lane = record.lane
            if lane and lane.behind:
                self._make_ready(lane.behind.popleft(), lane)
            else:
                del lanes[record.partition_key]
        self.records -= count
        self.bytes -= size

    def put_back(self, records: Sequence[Record]) -> None:
        """Make offered records, which were not delivered, ready again, each still at the head of its lane."""
        for record in records:
            self._make_ready(record, lane_of(record))

    def regroup(self, shard_of: ShardOf) -> Iterator[None]:
        """Predict shards in this way from now on. What is here moves lane by lane, a step each, and anything may be done between steps.

        Until a head has moved it is offered at the pace of the shard it was predicted to go to before.
        """
        self._shard_of = shard_of
        former, self._queues = list(self._queues.values()), {}
        for queue in former:
            while queue.heads:
                head = queue.heads.popleft()
                self.ready -= not queue.is_resting
                lane = lane_of(head)
                lane.shard = shard_of(head.partition_key)
                self._make_ready(head, lane)
                yield
        # And those whose heads are offered.
        for key in list(self._lanes):
            if lane_of_key := self._lanes.get(key):
                lane_of_key.shard = shard_of(key)
            yield

    def hottest(self, count: int) -> Sequence[int]:
        """How many records the longest lanes hold, the longest first. Looks at every lane."""
        return nlargest(count, (1 + len(lane.behind or ()) for lane in self._lanes.values()))

    def take_unstored(self) -> Sequence[Record]:
        """Heads whose attachments are to be stored: each comes back by ``put_back`` when it is, or is settled, and its lane waits for it."""
        unstored, self._unstored = self._unstored, []
        return unstored

    def next_due(self) -> float | None:
        """When the first of the resting shards is worth another try; None if none is resting."""
        return self._resting[0][0] if self._resting else None

    def _make_ready(self, head: Record, lane: Lane) -> None:
        head.lane = lane
        if head.attachment:
            self._unstored.append(head)
            return
        queue = self._queues.get(lane.shard)
        if queue is None:
            queue = self._queues[lane.shard] = _Queue(lane.shard)
        queue.heads.append(head)
        if queue.is_resting:
            return
        self.ready += 1
        if queue.is_idle:
            queue.is_idle = False
            self._turn.append(queue)

    def _end_turn(self, queue: _Queue, *, has_offered: bool) -> None:
        """End the turn of a queue whose next head is too large for what is left of the request."""
        if has_offered:
            self._turn.append(queue)
        else:
            # The first of the next request, or a large head would be passed for ever by small ones.
            self._turn.appendleft(queue)

    def _take_from(self, queue: _Queue, offered: list[Record], share: int, room: int, now: float) -> int:
        """Offer up to ``share`` heads of a queue; how much room is left in the request, 0 or less when it is full."""
        heads, shard, admits, aggregates = queue.heads, queue.shard, self._pacing.admits, self._aggregate_bytes
        already = len(offered)
        for _ in range(min(share, len(heads))):
            head = heads[0]
            # Its size property, without the call.
            size = len(head.data) + len(head.partition_key.encode())
            followers: Sequence[Record] = ()
            if aggregates:
                size, followers = gather(head, size, room=room, limit=aggregates)
            if size > room and offered:
                self._end_turn(queue, has_offered=len(offered) > already)
                return 0
            if shard is not None and not admits(shard, size, now):
                send_back(head, followers)
                self._rest(queue, shard, now)
                return room
            if followers:
                head.followers = followers
            offered.append(heads.popleft())
            self.ready -= 1
            room -= size
        if heads:
            self._turn.append(queue)
        else:
            queue.is_idle = True
        return room

    def _rest(self, queue: _Queue, shard: str, now: float) -> None:
        queue.is_resting = True
        self.ready -= len(queue.heads)
        seconds = min(self._pacing.wait_seconds(shard, now), LONGEST_REST_SECONDS)
        heappush(self._resting, (now + seconds, id(queue), queue))

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            queue = heappop(self._resting)[2]
            queue.is_resting = False
            self.ready += len(queue.heads)
            self._turn.append(queue)

    def _drop_followers(self, head: Record) -> None:
        """They are delivered with it."""
        for record in head.followers:
            self.records -= 1
            self.bytes -= len(record.data)
            record.undelivered.remove(record.seq)
        head.followers = ()
