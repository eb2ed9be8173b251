"""A consumer's table in PostgreSQL, as what a table is compared with: value by value, as PostgreSQL writes each as text."""

from __future__ import annotations

import json
from collections.abc import Sequence

import anyio

from forwarder.outbox.position import Snapshot
from forwarder.verify.chunks import KeyTexts, TableChunks
from forwarder.verify.content import Digester, Told, canonical, key_text
from forwarder.verify.states import RowStates, State
from forwarder.verify.subject import Subject
from forwarder.verify.watch import Watch

# What is on its way to the consumer has so long to arrive, in each round.
PAUSE_SECONDS = 2.0


def teller(subject: Subject) -> TextTeller:
    """What tells the rows of a table whose values are texts."""
    return TextTeller([column.name for column in subject.key], Digester(ignored=subject.treated))


class TextTeller:
    """From images whose values are texts to what they tell."""

    def __init__(self, key: Sequence[str], digester: Digester) -> None:
        self._key = key
        self._digester = digester

    def __call__(self, images: Sequence[str]) -> list[Told]:
        rows = map(json.loads, images)
        return [Told(key_text(row[name] for name in self._key), self._digester.content(row), row) for row in rows]


class Copy:
    """The consumer's table. Its rows are the states; of two the one that is read later counts."""

    def __init__(self, chunks: TableChunks, states: RowStates, watch: Watch, *, keeps_rows: bool) -> None:
        self._chunks = chunks
        self._states = states
        self._watch = watch
        self._keeps_rows = keeps_rows
        self._version = 0
        self.rows = 0

    async def begin(self) -> None:
        """Read all of it."""
        async for chunk in self._chunks.all():
            self.rows += len(chunk.rows)
            self._put([self._state(row.told.key, row.told) for row in chunk.rows])

    async def catch_up(self, snapshot: Snapshot, keys: Sequence[KeyTexts]) -> None:
        """Wait, and read these rows again."""
        await anyio.sleep(PAUSE_SECONDS)
        found = await self._chunks.of(keys)
        self._version += 1
        self._put([self._state(key, told) for key, told in found.rows])

    def _state(self, key: str, told: Told | None) -> State:
        if told is None:
            return State(key, self._version, "deleted")
        return State(key, self._version, "row", told.content, told=canonical(told.row) if self._keeps_rows else None)

    def _put(self, states: Sequence[State]) -> None:
        self._states.put(states)
        for state in states:
            self._watch.note(state)
