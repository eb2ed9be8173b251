"""No order, for those who want speed: every record may leave at once, also beside others of its key. Pure; time is an argument.

A record that is refused is offered again, and may so come behind later ones of its key; a request whose answer is lost is offered again
whole. Nothing else is different from ``forwarder.delivery.schedules.lanes``: the records stand in the queue of the shard they are predicted
to go to, the queues take turns, and one whose shard admits nothing now rests until it does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from forwarder.delivery.schedules.turns import LEAST_SHARE, LONGEST_REST_SECONDS, Pace, ShardOf, unknown
from forwarder.records.record import Record, SetAside


class _Queue:
    """The records that wait for one shard, in order of arrival. Its states are those of a queue of ``lanes``."""

    __slots__ = ("is_idle", "is_resting", "records", "shard")

    def __init__(self, shard: str | None) -> None:
        self.shard = shard
        self.records: deque[Record] = deque()
        self.is_idle = True
        self.is_resting = False


class Unordered:
    """The records in memory, by the shards they are predicted to go to."""

    __slots__ = ("_pacing", "_queues", "_resting", "_shard_of", "_turn", "_unstored", "bytes", "ready", "records")

    def __init__(self, pacing: Pace, *, shard_of: ShardOf = unknown) -> None:
        self._pacing = pacing
        self._shard_of = shard_of
        self._queues: dict[str | None, _Queue] = {}
        # The queues that are in turn, the next one in front.
        self._turn: deque[_Queue] = deque()
        # A heap of the queues that rest, by when they are due. Queues cannot be compared, hence the id of each before it.
        self._resting: list[tuple[float, int, _Queue]] = []
        # Records whose attachments are to be stored, until `take_unstored` hands them out.
        self._unstored: list[Record] = []
        # How many records stand in queues that do not rest.
        self.ready = 0
        # How many records are in memory, offered or not, and how many bytes of data they have.
        self.records = 0
        self.bytes = 0

    def extend(self, records: Sequence[Record]) -> None:
        """Append records."""
        for record in records:
            if record.attachment:
                self._unstored.append(record)
            else:
                self._make_ready(record).append(record)
        self.records += len(records)
        self.bytes += sum(len(record.data) for record in records)

    def take(self, *, max_records: int, max_bytes: int, now: float) -> Sequence[Record]:
        """Offer records that their shards admit now, as many as one request may carry.

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

    def hottest(self, count: int) -> Sequence[int]:
        """None: there are no lanes."""
        return ()

    def take_unstored(self) -> Sequence[Record]:
        """Hand out records whose attachments are to be stored. Each is given back to ``put_back`` when its own is, or to ``settle``."""
        unstored, self._unstored = self._unstored, []
        return unstored

    def take_stranded(self, *, is_full: bool, now: float) -> Sequence[SetAside]:
        """None: there is but one stream."""
        return ()

    def next_due(self) -> float | None:
        """When the first of the resting shards is worth another try; None if none is resting."""
        return self._resting[0][0] if self._resting else None

    def settle(self, records: Sequence[Record]) -> None:
        """Forget offered records that are delivered."""
        for record in records:
            record.undelivered.remove(record.seq)
        self.records -= len(records)
        self.bytes -= sum(len(record.data) for record in records)

    def put_back(self, records: Sequence[Record]) -> None:
        """Put offered records, in their order, in front of those that wait."""
        for record in reversed(records):
            self._make_ready(record).appendleft(record)

    def regroup(self, shard_of: ShardOf) -> Iterator[None]:
        """Predict shards by another ``shard_of`` from now on, and move the records that are here, one at each step of the iterator.

        Between steps anything else may be done.
        """
        self._shard_of = shard_of
        former, self._queues = list(self._queues.values()), {}
        for queue in former:
            while queue.records:
                record = queue.records.popleft()
                if not queue.is_resting:
                    self.ready -= 1
                self._make_ready(record).append(record)
                yield

    def _make_ready(self, record: Record) -> deque[Record]:
        """Count a record as one that waits, and return those of its shard's queue, to which the caller adds it."""
        shard = self._shard_of(record.shard_key)
        queue = self._queues.get(shard)
        if queue is None:
            queue = self._queues[shard] = _Queue(shard)
        if not queue.is_resting:
            self.ready += 1
        if queue.is_idle:
            queue.is_idle = False
            self._turn.append(queue)
        return queue.records

    def _rest(self, queue: _Queue, shard: str, now: float) -> None:
        queue.is_resting = True
        self.ready -= len(queue.records)
        seconds = min(self._pacing.wait_seconds(shard, now), LONGEST_REST_SECONDS)
        heappush(self._resting, (now + seconds, id(queue), queue))

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            queue = heappop(self._resting)[2]
            queue.is_resting = False
            self.ready += len(queue.records)
            self._turn.append(queue)

    def _end_turn(self, queue: _Queue, *, has_offered: bool) -> None:
        """End the turn of a queue whose next record is too large for the rest of the request.

        A queue that has offered nothing at this turn is the first of the next request: else small records of others would pass its large
        one for ever.
        """
        if has_offered:
            self._turn.append(queue)
        else:
            self._turn.appendleft(queue)

    def _take_from(self, queue: _Queue, offered: list[Record], share: int, room: int, now: float) -> int:
        """Offer up to ``share`` records of a queue in turn, and return the room that is left in the request: 0 or less when it is full."""
        waiting, shard, admits, already = queue.records, queue.shard, self._pacing.admits, len(offered)
        for _ in range(min(share, len(waiting))):
            record = waiting[0]
            size = record.size
            if size > room and offered:
                self._end_turn(queue, has_offered=len(offered) > already)
                return 0
            if shard is not None and not admits(shard, size, now):
                self._rest(queue, shard, now)
                return room
            offered.append(waiting.popleft())
            self.ready -= 1
            room -= size
        if waiting:
            self._turn.append(queue)
        else:
            queue.is_idle = True
        return room
