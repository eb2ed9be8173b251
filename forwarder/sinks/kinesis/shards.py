"""Paces the shards of one stream by what its answers say: a shard that throttles slows down its own lanes, and no others.

Until a shard throttles, nothing is asked of the stream and nothing is slowed down. Then:

1. The text of the throttle names the shard, and ``pacing`` limits what goes to it.
2. Which lanes go to that shard is not known yet: the list of shards is asked for, in the background. When it is there, the schedule of the
   records sorts its lanes by shard, and holds back those of a shard that admits nothing.
3. An answer that names another shard than the list predicts says that the stream was resharded. The list is asked for again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from forwarder.aws import redaction
from forwarder.backoff import Backoff
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.schedules.turns import unknown
from forwarder.delivery.schedules.unordered import Unordered
from forwarder.errors import ForwarderError
from forwarder.metrics import SinkMetrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis.answer import Answer, Refusal
from forwarder.sinks.kinesis.pacing import Pacing
from forwarder.sinks.kinesis.shard_list import ShardList
from forwarder.sinks.kinesis.shard_map import ShardMap

THROTTLED = "ProvisionedThroughputExceededException"

# The most of a lane that travels in one Kinesis record under aggregation=kpl. A shard takes 1 MiB a second, so larger ones would arrive
# in jolts.
AGGREGATE_BYTES = 256 << 10

# The pause between two lists of shards, and what it grows to while they cannot be had.
LIST_AGAIN_SECONDS = 1.0
LIST_AGAIN_MAX_SECONDS = 30.0
# To sort a lane by its shard takes some microseconds. After this many, other tasks have their turn.
LANES_A_SLICE = 500

# The text of a throttle names the shard: "Rate exceeded for shard shardId-000000000000 in stream …".
_NAMED_SHARD = re.compile(r"shardId-\d{1,20}")

logger = logging.getLogger(__name__)


class KinesisShards:
    """The shards of one stream, and at which pace each may be written to."""

    def __init__(self, client: Any, stream: str, *, is_ordered: bool, aggregates: bool, metrics: SinkMetrics) -> None:
        self._list = ShardList(client, stream)
        self._metrics = metrics
        self._is_ordered = is_ordered
        self._aggregate_bytes = AGGREGATE_BYTES if aggregates else 0
        self._pacing = Pacing()
        # None until a list was asked for and came.
        self._map: ShardMap | None = None
        # Set: the list is missing or out of date.
        self._surprised = anyio.Event()
        self._schedule = self.new_schedule()

    def new_schedule(self) -> Lanes | Unordered:
        """An empty schedule, by the paces that are known so far: lanes if order is to be kept, else none that keeps an order."""
        shard_of = self._map.shard_of if self._map else unknown
        self._schedule = (
            Lanes(self._pacing, shard_of=shard_of, aggregate_bytes=self._aggregate_bytes)
            if self._is_ordered
            else Unordered(self._pacing, shard_of=shard_of)
        )
        return self._schedule

    async def run(self) -> None:
        """Ask for the list of shards whenever it is missing or out of date, until cancelled. No request waits for that."""
        backoff = Backoff(first_seconds=LIST_AGAIN_SECONDS, max_seconds=LIST_AGAIN_MAX_SECONDS)
        while True:
            await self._surprised.wait()
            self._surprised = anyio.Event()
            try:
                self._map = ShardMap(await self._list.read())
            except (ForwarderError, ArithmeticError, LookupError, TypeError, ValueError) as error:
                # Delivery goes on without the list: each lane that is throttled backs off by itself.
                why = str(error) if isinstance(error, ForwarderError) else redaction.sentence(error)
                logger.warning("cannot list the shards: throttled lanes are not paced", extra={"reason": why})
                self._surprised.set()
            else:
                backoff.reset()
                await self._regroup(self._map)
            await anyio.sleep(backoff.next())

    def learn(self, records: Sequence[Record], answer: Answer, *, sent: float, now: float) -> None:
        """Take in what became of ``records``, which were sent in one request.

        ``sent`` and ``now`` are times of the event loop's clock.
        """
        self._metrics.stored(answer.shard_ids)
        if self._pacing.has_throttled_since(sent):
            for record, shard in zip(records, answer.shard_ids, strict=True):
                if shard:
                    self._pacing.stored(shard, _size(record), now, sent=sent)
        refused = answer.refused.values()
        throttled = {_shard_of(refusal) for refusal in refused if refusal.code == THROTTLED} - {""}
        for shard in throttled:
            self._pacing.throttled(shard, now, sent=sent)
            self._metrics.throttled(shard)
        if self._map is None and not throttled:
            return
        for shard in {*answer.shard_ids} - {""} - throttled:
            self._pacing.succeeded(shard, now)
        if not self._surprised.is_set() and self._is_surprised(records, answer):
            self._surprised.set()

    def _is_surprised(self, records: Sequence[Record], answer: Answer) -> bool:
        """Whether the answer names another shard for one of the records than the map does."""
        if self._map is None:
            return True
        named = [*answer.shard_ids]
        for place, refusal in answer.refused.items():
            named[place] = _shard_of(refusal)
        shard_of = self._map.shard_of
        return any(shard and shard != shard_of(record.shard_key) for record, shard in zip(records, named, strict=True))

    async def _regroup(self, shard_map: ShardMap) -> None:
        for number, _ in enumerate(self._schedule.regroup(shard_map.shard_of), start=1):
            if number % LANES_A_SLICE == 0:
                await checkpoint()


def _shard_of(refusal: Refusal) -> str:
    """The shard that its message names; empty if it names none."""
    named = _NAMED_SHARD.search(refusal.message)
    return named.group() if named else ""


def _size(record: Record) -> int:
    """The bytes of a record, near enough for pacing: without what the aggregated format adds."""
    return record.size + sum(len(follower.data) for follower in record.followers)
