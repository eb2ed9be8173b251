"""Drops the changes that a consumer has had already. Pure.

There are three cases, by what a format carries:

1. key and seq of a row (native, cloudevents, dynamodb with tableName=schema.table): a change is dropped if its seq is at most that of the last
   change of its row. That takes one number a row, drops repeats however late they come, and also whatever else is older than the last: a dead
   letter that was sent again, say. A row that a load has read is dropped if its seq is below that: then the last change is as new as the row. Where
   they are equal, the row is newer, or a repeat of one that is remembered by its id.
2. an id, or a seq alone (tables without a key; events of the application; dynamodb without schemas, debezium, dms with IncludeTransactionDetails,
   lambda with id): it is dropped if this very change is remembered.
3. neither (dms and lambda without these): it is never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping

from forwarder.consumer.change import Change
from forwarder.consumer.lane import identity_of, lane_of
from forwarder.consumer.recent import Recent

# Some 200 bytes each.
REMEMBERED = 100_000


class Deduplicator:
    """Remembers what was handled, in ``memory``: from the text of a row, or of a change, to its seq.

    In a bounded memory, as by default, what is forgotten comes again: nothing is ever lost by that. A consumer that restarts goes on from a
    point of the stream that is somewhat older than the last change that it handled. So the memory should outlive it: any mapping will do,
    such as ``shelve`` or one that keeps its items in DynamoDB.
    """

    def __init__(self, memory: MutableMapping[str, int] | None = None, *, by_id: bool = False) -> None:
        """``by_id``: go by the second case wherever the first one would do, which takes a number a change.

        For consumers that want each change, such as a log of them; and where table mappings give two tables one name, so that two rows look like one.
        """
        self._lane_of: Callable[[Change], str | None] = _no_lane if by_id else lane_of
        self._memory = Recent(REMEMBERED) if memory is None else memory

    def is_repeat(self, change: Change) -> bool:
        """Whether this change, or a later one of its row, was handled."""
        return self._is_repeat(change, self._lane_of(change))

    def handled(self, change: Change) -> None:
        """Remember the change. Call this when it is done: one that failed must not be taken for a repeat when it is tried again."""
        lane = self._lane_of(change)
        name = lane or identity_of(change)
        if name is not None and not self._is_repeat(change, lane):
            self._memory[name] = change.seq or 0
            if lane is not None and change.op == "read" and change.id is not None:
                self._memory[change.id] = change.seq or 0

    def new(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Those that are no repeats. Each counts as handled when the next one is asked for, so not if its handling raises."""
        for change in changes:
            if not self.is_repeat(change):
                yield change
                self.handled(change)

    def _is_repeat(self, change: Change, lane: str | None) -> bool:
        if lane is None:
            identity = identity_of(change)
            return identity is not None and identity in self._memory
        seq, last = change.seq or 0, self._memory.get(lane, 0)
        return seq < last or change.id in self._memory if change.op == "read" else seq <= last


def _no_lane(_: Change) -> None:
    """No row's changes are remembered as one."""
