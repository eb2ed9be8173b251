"""Reads the records of a stream that were stored since it was last asked: all shards side by side, and children after their parents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
from anyio.abc import TaskGroup

from forwarder.consumer.reading.kinesis_calls import KinesisCalls
from forwarder.consumer.reading.shard_reader import ShardReader
from forwarder.consumer.reading.start import Start
from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.consumer.reading.stream_reader import READ_AGAIN_SECONDS


class StreamTip:
    """Where a reader of a stream is.

    Unlike ``StreamReader`` it can be asked again and again for what has come since: it returns when it has read that.
    """

    def __init__(self, calls: KinesisCalls, *, start: Start, deliver: Callable[[Sequence[StoredRecord]], None]) -> None:
        self._calls = calls
        self._start = start
        self._deliver = deliver
        self._open: dict[str, ShardReader] = {}
        self._finished: set[str] = set()
        # The parents of each shard that is not begun, by its id; None: the stream was not asked for its shards yet.
        self._waiting: dict[str, frozenset[str]] | None = None

    async def read(self) -> None:
        """Hand over what is stored by now.

        Raises:
            Refused: there is no such stream, or it may not be read.
            Unavailable: it does not answer.
        """
        if self._waiting is None:
            self._waiting = await self._listed()
            # Parents that are not listed are gone, with all of their records.
            self._finished |= frozenset().union(*self._waiting.values()) - self._waiting.keys()
        async with anyio.create_task_group() as tasks:
            for shard in [*self._open]:
                tasks.start_soon(self._read, tasks, shard)
            self._begin(tasks)

    async def _listed(self) -> dict[str, frozenset[str]]:
        return {shard["ShardId"]: _parents(shard) for shard in await self._calls.list_shards()}

    def _begin(self, tasks: TaskGroup) -> None:
        """Begin with the shards whose parents are read to their ends."""
        waiting = self._waiting or {}
        for shard in [shard for shard, parents in waiting.items() if parents <= self._finished]:
            del waiting[shard]
            self._open[shard] = ShardReader(self._calls, shard, start=self._start)
            tasks.start_soon(self._read, tasks, shard)

    async def _read(self, tasks: TaskGroup, shard: str) -> None:
        while True:
            page = await self._open[shard].read()
            if page.records:
                self._deliver(page.records)
            if page.children is not None:
                break
            if page.is_at_end:
                return
            await anyio.sleep(READ_AGAIN_SECONDS)
        del self._open[shard]
        self._finished.add(shard)
        children = {child["ShardId"]: frozenset(child["ParentShards"]) for child in page.children} or {
            child: parents for child, parents in (await self._listed()).items() if shard in parents
        }
        assert self._waiting is not None
        known = self._open.keys() | self._finished
        self._waiting |= {child: parents for child, parents in children.items() if child not in known}
        self._begin(tasks)


def _parents(shard: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(filter(None, (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))))
