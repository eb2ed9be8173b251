"""Drops the changes that a consumer has had already. Pure.

There are three cases, by what a format carries:

1. key and seq (native, cloudevents, dynamodb): a change is dropped if its seq is at most that of the last change of its row. That takes one
   number a row, drops repeats however late they come, and also whatever else is older than the last: a dead letter that was sent again, say.
2. an id, or a seq alone (tables without a key; debezium, dms with IncludeTransactionDetails, lambda with id): it is dropped if this very change
   is remembered.
3. neither (dms and lambda without these): it is never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping

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

    def __init__(self, memory: MutableMapping[str, int] | None = None) -> None:
        self._memory = Recent(REMEMBERED) if memory is None else memory

    def is_repeat(self, change: Change) -> bool:
        """Whether this change, or a later one of its row, was handled."""
        return self._is_repeat(change, lane_of(change))

    def handled(self, change: Change) -> None:
        """Remember the change. Call this when it is done: one that failed must not be taken for a repeat when it is tried again."""
        lane = lane_of(change)
        name = lane or identity_of(change)
        if name is not None and not self._is_repeat(change, lane):
            self._memory[name] = change.seq or 0

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
        return (change.seq or 0) <= self._memory.get(lane, 0)
