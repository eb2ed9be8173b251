"""Order per key while many requests are in flight, at the pace of each shard. Pure: time is an argument.

The work is O(1) a record, but for one thing: a record that leaves a long lane moves those behind it up (``Record.behind``).

PutRecords is not atomic: it can refuse one record and store a later one of the same key. So the records of one partition key form a lane,
in order of arrival. Its first record is the head: the only one of the lane that may be offered. Lanes do not wait for each other.

    behind ──the head before it is settled──► ready ──take──► offered ──settle──► gone
                                                ▲                │
                                                └────put_back────┘

A lane exists as long as it has a head. What is behind the head is reachable only through the lane, which gives up its next record when the
head is settled, and not before: so of one key there are never two records under way.

Ready heads stand in the queue of the shard they are predicted to go to, and the queues take turns. A queue whose shard admits nothing now
rests, and is passed over meanwhile: a hot shard slows its own lanes, and costs the others nothing.

    idle ──a head is ready──► in turn ──the shard does not admit its first head──► resting
      ▲                        │   ▲                                                 │
      └────no head is left─────┘   └─────────────────it is due────────────────────────┘

Two kinds of records are offered in another way:

* With aggregation a head takes along what waits behind it: ``forwarder.delivery.schedules.aggregates``.
* A head with an attachment is not ready before that is stored. ``take_unstored`` hands it out, and ``put_back`` makes it ready.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush, nlargest

from forwarder.delivery.schedules.aggregates import gather, send_back
from forwarder.delivery.schedules.turns import LEAST_SHARE, LONGEST_REST_SECONDS, Pace, ShardOf, unknown
from forwarder.records.record import Record, SetAside


class _Queue:
    """The ready heads of one shard, those that became ready first in front.

    It is idle, in turn or resting, as the picture above says: in turn if neither flag is set.
    """

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
        # By partition key, the head of each lane.
        self._lanes: dict[str, Record] = {}
        self._queues: dict[str | None, _Queue] = {}
        # The queues that are in turn, the next one in front.
        self._turn: deque[_Queue] = deque()
        # A heap of the queues that rest, by when they are due. Queues cannot be compared, hence the id of each before it.
        self._resting: list[tuple[float, int, _Queue]] = []
        # Heads whose attachments are to be stored, until `take_unstored` hands them out.
        self._unstored: list[Record] = []
        # How many heads stand in queues that do not rest.
        self.ready = 0
        # How many records are in memory, behind, ready or offered, followers included, and how many bytes of data they have.
        self.records = 0
        self.bytes = 0

    def extend(self, records: Sequence[Record]) -> None:
        """Append records, each at the end of its lane."""
        lanes = self._lanes
        heads: list[Record] = []
        for record in records:
            key = record.partition_key
            head = lanes.get(key)
            if head is None:
                lanes[key] = record
                heads.append(record)
            elif head.behind is None:
                head.behind = [record]
            else:
                head.behind.append(record)
        self._make_ready(heads)
        self.records += len(records)
        self.bytes += sum([len(record.data) for record in records])

    def take(self, *, max_records: int, max_bytes: int, now: float) -> Sequence[Record]:
        """Offer ready heads that their shards admit now, as many as one request may carry.

        None if no shard admits any; ``next_due`` says when to try again. Otherwise at least one, even if it is larger than ``max_bytes``,
        which counts data and partition keys, as Kinesis does.
        """
        self._wake(now)
        offered: list[Record] = []
        turn, room = self._turn, max_bytes
        share = max(LEAST_SHARE, max_records // max(1, len(turn)))
        while turn and room > 0 and (left := max_records - len(offered)):
            room = self._take_from(turn.popleft(), offered, min(share, left), room, now)
        return offered

    def settle(self, records: Sequence[Record]) -> None:
        """Forget offered heads that are delivered, and their followers; the next record of each lane becomes its head."""
        lanes = self._lanes
        heads: list[Record] = []
        for record in records:
            record.undelivered.remove(record.seq)
            if record.followers:
                self._drop_followers(record)
            if behind := record.behind:
                head = lanes[record.partition_key] = behind.pop(0)
                head.behind, record.behind = behind, None
                heads.append(head)
            else:
                del lanes[record.partition_key]
        self._make_ready(heads)
        self.records -= len(records)
        self.bytes -= sum([len(record.data) for record in records])

    def put_back(self, records: Sequence[Record]) -> None:
        """Make offered heads ready again, each still at the head of its lane."""
        self._make_ready(records)

    def regroup(self, shard_of: ShardOf) -> Iterator[None]:
        """Predict shards by another ``shard_of`` from now on, and move the lanes that are here, one at each step of the iterator.

        Between steps anything else may be done. A head that has not moved yet is offered at the pace of its former shard.
        """
        self._shard_of = shard_of
        former, self._queues = list(self._queues.values()), {}
        for queue in former:
            while queue.heads:
                head = queue.heads.popleft()
                if not queue.is_resting:
                    self.ready -= 1
                self._make_ready((head,))
                yield

    def hottest(self, count: int) -> Sequence[int]:
        """How many records the longest lanes hold, the longest first. Looks at every lane."""
        return nlargest(count, (1 + len(head.behind or ()) for head in self._lanes.values()))

    def take_unstored(self) -> Sequence[Record]:
        """Hand out heads whose attachments are to be stored. Each is given back to ``put_back`` when its own is, or to ``settle``."""
        unstored, self._unstored = self._unstored, []
        return unstored

    def take_stranded(self, *, is_full: bool, now: float) -> Sequence[SetAside]:
        """None: there is but one stream."""
        return ()

    def next_due(self) -> float | None:
        """When the first of the resting shards is worth another try; None if none is resting."""
        return self._resting[0][0] if self._resting else None

    def _make_ready(self, heads: Sequence[Record]) -> None:
        """Line heads up, each in the queue of the shard that it is predicted to go to."""
        shard_of = self._shard_of
        if shard_of is unknown and not [head for head in heads if head.attachment]:
            # All are in one queue, without a look at each.
            if heads:
                self._line_up(heads, None)
            return
        for head in heads:
            if head.attachment:
                self._unstored.append(head)
            else:
                self._line_up((head,), shard_of(head.shard_key))

    def _line_up(self, heads: Sequence[Record], shard: str | None) -> None:
        queue = self._queues.get(shard)
        if queue is None:
            queue = self._queues[shard] = _Queue(shard)
        queue.heads.extend(heads)
        if queue.is_resting:
            return
        self.ready += len(heads)
        if queue.is_idle:
            queue.is_idle = False
            self._turn.append(queue)

    def _end_turn(self, queue: _Queue, *, has_offered: bool) -> None:
        """End the turn of a queue whose next head is too large for the rest of the request.

        A queue that has offered nothing at this turn is the first of the next request: else small heads of others would pass its large one
        for ever.
        """
        if has_offered:
            self._turn.append(queue)
        else:
            self._turn.appendleft(queue)

    def _take_from(self, queue: _Queue, offered: list[Record], share: int, room: int, now: float) -> int:
        """Offer up to ``share`` heads of a queue in turn, and return the room that is left in the request: 0 or less when it is full.

        The turn ends in one of four ways: there is no room for the next head; the shard does not admit it, and the queue rests; no head is
        left, and the queue is idle; or the share is used up, and the queue is the last in turn.
        """
        heads, shard, admits, aggregates = queue.heads, queue.shard, self._pacing.admits, self._aggregate_bytes
        if shard is None and not aggregates and (size := self._take_all(heads, offered, share, room)):
            self._end_of_share(queue)
            return room - size
        already = len(offered)
        for _ in range(min(share, len(heads))):
            head = heads[0]
            # `head.size`, without the call: this runs for every record.
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
        self._end_of_share(queue)
        return room

    def _take_all(self, heads: deque[Record], offered: list[Record], share: int, room: int) -> int:
        """Offer ``share`` heads that nothing is to be asked of, if all have room together, and return their size; else 0.

        A third of the time of one after the other.
        """
        taken = [heads.popleft() for _ in range(min(share, len(heads)))]
        # `Record.size` of all of them.
        keys = "".join([record.partition_key for record in taken])
        size = sum([len(record.data) for record in taken]) + len(keys.encode())
        if size > room:
            heads.extendleft(reversed(taken))
            return 0
        self.ready -= len(taken)
        offered += taken
        return size

    def _end_of_share(self, queue: _Queue) -> None:
        if queue.heads:
            self._turn.append(queue)
        else:
            queue.is_idle = True

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
        self.records -= len(head.followers)
        self.bytes -= sum([len(record.data) for record in head.followers])
        for record in head.followers:
            record.undelivered.remove(record.seq)
        head.followers = ()
