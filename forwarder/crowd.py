"""No order, for those who want speed: every record may leave at once, also beside others of its key. Pure; time is an argument.

A record that is refused is offered again and may so come behind later ones of its key; a request whose answer is lost is
offered again whole. Nothing else is different from ``forwarder.lanes``: the records stand in the queue of the shard they are
predicted to go to, the queues take turns, and one whose shard admits nothing now is passed over until it does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf

from forwarder.events import Record
from forwarder.lanes import LEAST_SHARE, Pace, ShardOf


class _Queue:
    """The records that wait for one shard, the first to come first."""

    __slots__ = ("is_in_turn", "records", "shard")

    def __init__(self, shard: str | None) -> None:
        self.shard = shard
        self.records: deque[Record] = deque()
        # Whether its turn will come, be it after a rest.
        self.is_in_turn = False


class Crowd:
    """The records in memory, by shard."""

    __slots__ = ("_due", "_pacing", "_queues", "_resting", "_shard_of", "_turn", "bytes", "records")

    def __init__(self, pacing: Pace) -> None:
        self._pacing = pacing
        self._shard_of: ShardOf = _unknown
        self._queues: dict[str | None, _Queue] = {}
        # The queues that are not empty, the next to be asked first.
        self._turn: deque[_Queue] = deque()
        # Those of them that the last `take` has passed over, and when the first is worth another try.
        self._resting: list[_Queue] = []
        self._due: float | None = None
        # What is in memory, offered or not.
        self.records = 0
        self.bytes = 0

    @property
    def ready(self) -> int:
        """How many may be offered now, those of shards that were passed over not included."""
        return sum(len(queue.records) for queue in self._turn)

    def extend(self, records: Sequence[Record]) -> None:
        """Append records."""
        for record in records:
            self._queue_of(record).records.append(record)
        self.records += len(records)
        self.bytes += sum(len(record.data) for record in records)

    def take(self, *, max_records: int, max_bytes: int, now: float) -> Sequence[Record]:
        """Offer records that their shards admit now, as many as one request may carry.

        Empty if no shard admits any; ``next_due`` says when to try again. Otherwise at least one, whatever its size.
        ``max_bytes`` counts data and partition keys, as Kinesis does.
        """
        self._wake()
        offered: list[Record] = []
        turn, room = self._turn, max_bytes
        # Equal parts, if they are not too small to be worth a turn.
        share = max(LEAST_SHARE, max_records // max(1, len(turn)))
        while turn and room > 0 and (left := max_records - len(offered)):
            queue = turn.popleft()
            if not self._rests(queue, now):
                room = self._take_from(queue, offered, min(share, left), room, now)
        return offered

    def hottest(self, count: int) -> Sequence[int]:
        """There are no lanes."""
        return ()

    def next_due(self) -> float | None:
        """When the first of the shards that were passed over is worth another try; None if none was."""
        return self._due

    def settle(self, records: Sequence[Record]) -> None:
        """Drop offered records that are delivered."""
        for record in records:
            record.undelivered.remove(record.seq)
        self.records -= len(records)
        self.bytes -= sum(len(record.data) for record in records)

    def put_back(self, records: Sequence[Record]) -> None:
        """Let offered records, which were not delivered, be the first to be offered again."""
        for record in reversed(records):
            self._queue_of(record).records.appendleft(record)

    def regroup(self, shard_of: ShardOf) -> None:
        """Predict shards in this way from now on."""
        waiting = [record for queue in self._queues.values() for record in queue.records]
        self._shard_of = shard_of
        self._queues.clear()
        self._turn.clear()
        self._resting.clear()
        for record in waiting:
            self._queue_of(record).records.append(record)

    def _queue_of(self, record: Record) -> _Queue:
        """The queue of a record, in turn, since it is about to hold it."""
        shard = self._shard_of(record.partition_key)
        queue = self._queues.get(shard)
        if queue is None:
            queue = self._queues[shard] = _Queue(shard)
        if not queue.is_in_turn:
            queue.is_in_turn = True
            self._turn.append(queue)
        return queue

    def _rests(self, queue: _Queue, now: float) -> bool:
        if queue.shard is None or not (seconds := self._pacing.wait_seconds(queue.shard, now)):
            return False
        self._resting.append(queue)
        self._due = min(now + seconds, inf if self._due is None else self._due)
        return True

    def _wake(self) -> None:
        self._turn.extend(self._resting)
        self._resting.clear()
        self._due = None

    def _take_from(self, queue: _Queue, offered: list[Record], share: int, room: int, now: float) -> int:
        """Offer up to ``share`` records of a queue; how much room is left in the request, 0 or less when it is full."""
        waiting, shard, already = queue.records, queue.shard, len(offered)
        for _ in range(min(share, len(waiting))):
            record = waiting[0]
            size = record.size
            if size > room and offered:
                room = 0
                break
            if shard is not None and not self._pacing.admits(shard, size, now):
                break
            offered.append(waiting.popleft())
            room -= size
        queue.is_in_turn = bool(waiting)
        if room <= 0 and len(offered) == already:
            # The first of the next request, or a large record would be passed for ever by small ones.
            self._turn.appendleft(queue)
        elif waiting:
            self._turn.append(queue)
        return room


def _unknown(_: str) -> None:
    return None
