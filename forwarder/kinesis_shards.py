"""What a stream's answers tell about its shards: those that throttle are paced, so that only their own lanes are slowed."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from math import inf
from typing import Any

from forwarder import kinesis_wire
from forwarder.aws_call import aws_call
from forwarder.crowd import Crowd
from forwarder.errors import ForwarderError
from forwarder.events import Record
from forwarder.kinesis_wire import Result
from forwarder.lanes import Lanes
from forwarder.metrics import SinkMetrics
from forwarder.pacing import Pacing
from forwarder.shard_map import ShardMap

THROTTLED = "ProvisionedThroughputExceededException"

# How much of a lane travels in one Kinesis record, at most. A shard takes 1 MiB a second, so larger ones come in jolts.
AGGREGATE_BYTES = 256 << 10

# A stream that is being resharded throttles under names we do not know yet; ListShards is limited to 1,000 calls a second.
LIST_AGAIN_SECONDS = 1.0

# The text of a throttle names the shard: "Rate exceeded for shard shardId-000000000000 in stream …".
_NAMED_SHARD = re.compile(r"shardId-\d+")

logger = logging.getLogger(__name__)


class KinesisShards:
    """The shards of one stream, as far as pacing needs them: nothing is asked until the first one throttles."""

    def __init__(self, client: Any, stream: str, *, is_ordered: bool, aggregates: bool, metrics: SinkMetrics) -> None:
        self._client = client
        self._stream = stream
        self._metrics = metrics
        self._is_ordered = is_ordered
        self._aggregate_bytes = AGGREGATE_BYTES if aggregates else 0
        self._pacing = Pacing()
        self._map: ShardMap | None = None
        self._listed_at = -inf
        self._schedule = self._empty()

    def new_schedule(self) -> Lanes | Crowd:
        """An empty one, at the pace that is known so far: lanes if order is to be kept, else a crowd."""
        self._schedule = self._empty()
        if self._map:
            self._schedule.regroup(self._map.shard_of)
        return self._schedule

    def _empty(self) -> Lanes | Crowd:
        return Lanes(self._pacing, aggregate_bytes=self._aggregate_bytes) if self._is_ordered else Crowd(self._pacing)

    async def heed(
        self,
        records: Sequence[Record],
        results: Sequence[Result],
        failed: Sequence[tuple[Record, Result]],
        *,
        sent: float,
        now: float,
    ) -> None:
        """Take in what became of the records of one request; the times are those of the event loop's clock."""
        if self._pacing.has_throttled_since(sent):
            for record, result in zip(records, results, strict=True):
                if result.shard_id:
                    self._pacing.stored(result.shard_id, _size(record), now, sent=sent)
        throttled = {shard for _, result in failed if result.error_code == THROTTLED and (shard := _shard_of(result))}
        for shard in throttled:
            self._pacing.throttled(shard, now, sent=sent)
            self._metrics.throttled(shard)
        if self._map is None and not throttled:
            return
        stored = {result.shard_id for result in results if result.shard_id}
        for shard in stored - throttled:
            self._pacing.succeeded(shard, now)
        if self._is_surprised(records, results) and now - self._listed_at >= LIST_AGAIN_SECONDS:
            self._listed_at = now
            await self._list_shards()

    def _is_surprised(self, records: Sequence[Record], results: Sequence[Result]) -> bool:
        """Whether a record went, or was refused, elsewhere than the map says."""
        if self._map is None:
            return True
        named = (
            (record, result.shard_id or _shard_of(result)) for record, result in zip(records, results, strict=True)
        )
        return any(shard and shard != self._map.shard_of(record.partition_key) for record, shard in named)

    async def _list_shards(self) -> None:
        """Learn the open shards. Without them there is no pacing, and lanes that are throttled back off by themselves."""
        shards: list[dict[str, Any]] = []
        page: dict[str, Any] = {**kinesis_wire.naming(self._stream), "ShardFilter": {"Type": "AT_LATEST"}}
        try:
            # What is read of the answer may be as odd as the answer, and its pages without end.
            with aws_call(f"stream {self._stream}"):
                while page:
                    answer = await self._client.list_shards(**page)
                    shards += answer["Shards"]
                    page = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}
                self._map = ShardMap(shards)
        except ForwarderError as error:
            logger.warning("cannot list the shards: throttled lanes are not paced", extra={"reason": str(error)})
            return
        self._schedule.regroup(self._map.shard_of)


def _shard_of(refused: Result) -> str | None:
    named = _NAMED_SHARD.search(refused.error_message)
    return named.group() if named else None


def _size(record: Record) -> int:
    """Near enough: what an aggregate adds to its records is left out."""
    return record.size + sum(len(follower.data) for follower in record.followers)
