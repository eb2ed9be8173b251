"""Reads all shards of a stream as an ordinary client does: side by side, and each child of a reshard when its parents are read to their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import anyio
from anyio.abc import TaskGroup

from forwarder.consumer.reading.kinesis_calls import KinesisCalls
from forwarder.consumer.reading.shard_reader import ShardReader
from forwarder.consumer.reading.start import Start
from forwarder.consumer.reading.stored_record import StoredRecord

# Kinesis allows five reads a second of one shard, to all of its consumers together.
READ_AGAIN_SECONDS = 0.25
# A shard that is read to its end is asked less often, since there may be a Lambda and a KCL that want to read it too.
LOOK_AGAIN_SECONDS = 0.5


class StreamReader:
    """Hands over the records of a stream, those of one shard in their order, and so those of one partition key."""

    def __init__(
        self,
        calls: KinesisCalls,
        *,
        start: Start,
        follow: bool,
        deliver: Callable[[Sequence[StoredRecord]], None],
    ) -> None:
        """Without ``follow``, each shard is read up to what it holds at that moment."""
        self._calls = calls
        self._start = start
        self._follow = follow
        self._deliver = deliver
        # The parents of each shard that is not begun, by its id.
        self._waiting: dict[str, frozenset[str]] = {}
        self._begun: set[str] = set()
        # Read to the end, or never to be read.
        self._finished: set[str] = set()
        # Those that a reshard had ended before they were listed.
        self._closed: frozenset[str] = frozenset()

    @property
    def shards(self) -> int:
        """How many shards it has begun to read."""
        return len(self._begun)

    async def run(self) -> None:
        """Read until cancelled, or without ``follow`` to the end.

        Raises:
            Refused: there is no such stream, or it may not be read.
            Unavailable: it does not answer.
        """
        listed = {shard["ShardId"]: _parents(shard) for shard in await self._list()}
        # Parents that are not listed are gone, with all of their records.
        self._finished |= frozenset().union(*listed.values()) - listed.keys()
        async with anyio.create_task_group() as tasks:
            self._begin(tasks, listed, start=self._start)

    async def _list(self) -> list[Mapping[str, Any]]:
        shards = await self._calls.list_shards()
        closed = (shard for shard in shards if shard["SequenceNumberRange"].get("EndingSequenceNumber"))
        self._closed = frozenset(shard["ShardId"] for shard in closed)
        if self._start == "latest":
            # Nothing will come in these.
            self._finished |= self._closed
        return [shard for shard in shards if shard["ShardId"] not in self._finished]

    def _begin(self, tasks: TaskGroup, found: Mapping[str, frozenset[str]], *, start: Start) -> None:
        """Begin with the shards whose parents are finished, of those that were found now and of those that have waited."""
        self._waiting |= {shard: parents for shard, parents in found.items() if shard not in self._begun}
        ready = [shard for shard, parents in self._waiting.items() if parents <= self._finished]
        for shard in ready:
            del self._waiting[shard]
            self._begun.add(shard)
            tasks.start_soon(self._read, tasks, ShardReader(self._calls, shard, start=start), shard)

    async def _read(self, tasks: TaskGroup, reader: ShardReader, shard: str) -> None:
        while True:
            page = await reader.read()
            if page.records:
                self._deliver(page.records)
            if page.children is not None:
                break
            if page.is_at_end and not self._follow:
                if shard in self._closed:
                    # The answer does not say that there is nothing more, but there is not, and its children are to be read.
                    break
                return
            await anyio.sleep(LOOK_AGAIN_SECONDS if page.is_at_end else READ_AGAIN_SECONDS)
        self._finished.add(shard)
        children = _by_id(page.children or ()) or {
            child["ShardId"]: _parents(child) for child in await self._calls.list_shards() if shard in _parents(child)
        }
        # A child begins with its first record, where the parents' readers began with what came from some moment on.
        self._begin(tasks, children, start="oldest" if self._start == "latest" else self._start)


def _by_id(children: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """The parents of each child, as GetRecords names them."""
    return {child["ShardId"]: frozenset(child["ParentShards"]) for child in children}


def _parents(shard: Mapping[str, Any]) -> frozenset[str]:
    """The parents of a shard, as ListShards names them."""
    return frozenset(filter(None, (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))))
