"""Compares the rows of a table with their states, and tells of those that differ and stay so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol

from forwarder.errors import Misconfigured
from forwarder.outbox.position import Snapshot
from forwarder.verify.chunks import Chunk, KeyTexts, TableChunks
from forwarder.verify.content import Told, differences, parsed
from forwarder.verify.states import RowStates, State
from forwarder.verify.watch import Watch

# How many rows that differ are read again together.
MOST_SUSPECTS = 5000
_MOST_BYTES = 64 << 20
# A row differs if it does so in each of these rounds. One would do where records come in order; a dead letter that is sent again comes late.
ROUNDS = 2

Kind = Literal["missing", "stale", "extra"]


class Other(Protocol):
    """What a table is compared with. What it reads becomes states, and is noted where it is watched."""

    async def begin(self) -> None:
        """Read all of it."""

    async def catch_up(self, snapshot: Snapshot, keys: Sequence[KeyTexts]) -> None:
        """Return when all is read that the snapshot sees, at least of these rows."""


class Suspect(NamedTuple):
    """A row that is to be looked at again: its key as PostgreSQL writes it, and as the states have it."""

    key: KeyTexts
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A row that the two sides do not tell alike. The rows are None where there is none, or they are not kept."""

    kind: Kind
    key: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    ours: Mapping[str, Any] | None = None
    theirs: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Tally:
    """What came of it."""

    rows: int = 0
    missing: int = 0
    stale: int = 0
    extra: int = 0
    # Rows of the table without a record, where the records do not go back far enough to say that there should be one.
    untold: int = 0
    # Rows whose content is not in the record, and records whose key cannot be looked up in the table.
    unknown: int = 0
    unreadable_keys: int = 0
    # Columns that only one side has.
    only_ours: set[str] = field(default_factory=set)
    only_theirs: set[str] = field(default_factory=set)

    @property
    def differences(self) -> int:
        """How many rows differ."""
        return self.missing + self.stale + self.extra


class Verification:
    """One comparison."""

    def __init__(
        self,
        chunks: TableChunks,
        other: Other,
        states: RowStates,
        watch: Watch,
        *,
        is_complete: Callable[[], bool],
        tell: Callable[[Difference], None],
    ) -> None:
        """``is_complete``: whether a row of which there is no state is missing; asked when the other side was read."""
        self.tally = Tally()
        self._chunks = chunks
        self._other = other
        self._states = states
        self._watch = watch
        self._is_complete = is_complete
        self._tell = tell
        self._key_names = [column.name for column in chunks.subject.key]

    async def run(self, keys: Sequence[KeyTexts] = ()) -> None:
        """Compare all rows, or those with these keys.

        Raises:
            Refused: one of the sides cannot be read, or does not come past a snapshot.
            Unavailable: somebody does not answer.
        """
        await self._other.begin()
        if keys:
            self.tally.rows = len(keys)
            named = await self._chunks.of(keys)
            await self._settle([Suspect(key, name) for key, (name, _) in zip(keys, named.rows, strict=True)])
            return
        self._states.meet_newcomers()
        suspects: list[Suspect] = []
        size = 0
        async for chunk in self._chunks.all():
            found = self._suspects(chunk)
            suspects += found
            size += len(found) * chunk.row_bytes
            if len(suspects) >= MOST_SUSPECTS or size >= _MOST_BYTES:
                await self._settle(suspects)
                suspects, size = [], 0
        if suspects:
            await self._settle(suspects)
        for unmet in self._states.unmet(at_once=MOST_SUSPECTS):
            await self._settle_unmet(unmet)

    def _suspects(self, chunk: Chunk) -> list[Suspect]:
        self.tally.rows += len(chunk.rows)
        states = self._states.get([row.told.key for row in chunk.rows])
        self._states.meet(states)
        return [
            Suspect(row.key, row.told.key) for row in chunk.rows if self._is_suspect(row.told, states.get(row.told.key))
        ]

    def _is_suspect(self, ours: Told, theirs: State | None) -> bool:
        """Whether a row has to be looked at again."""
        if theirs is None and not self._is_complete():
            self.tally.untold += 1
            return False
        if theirs is not None and theirs.kind == "unknown":
            self.tally.unknown += 1
            return False
        return theirs is None or theirs.content is None or self._differ(ours, theirs)

    def _differ(self, ours: Told, theirs: State) -> bool:
        if theirs.content is None:
            return True
        found = differences(ours.content, theirs.content)
        self.tally.only_ours |= found.only_ours
        self.tally.only_theirs |= found.only_theirs
        return bool(found.columns)

    async def _settle_unmet(self, unmet: Sequence[str]) -> None:
        """As ``_settle``, of keys as the records have them."""
        keys = [tuple(map(_text, parsed(key))) for key in unmet]
        try:
            found = await self._chunks.of(keys)
        except Misconfigured:
            # A date that is a number of days there, say.
            self.tally.unreadable_keys += len(keys)
            return
        readable = [
            Suspect(key, wanted)
            for key, wanted, (read, _) in zip(keys, unmet, found.rows, strict=True)
            if read == wanted
        ]
        self.tally.unreadable_keys += len(keys) - len(readable)
        if readable:
            await self._settle(readable)

    async def _settle(self, suspects: Sequence[Suspect]) -> None:
        """Look at these rows until they are found to be the same, and tell of those that are not."""
        for round in range(1, ROUNDS + 1):
            names = [suspect.name for suspect in suspects]
            # Before the snapshot: then each state that is not among these, and that the snapshot sees, is noted as it comes.
            self._watch.begin(names, self._states.get(names))
            found = await self._chunks.of([suspect.key for suspect in suspects])
            await self._other.catch_up(found.snapshot, [suspect.key for suspect in suspects])
            self._states.meet(name for name, told in found.rows if told)
            differing = [
                (suspect, told)
                for suspect, (_, told) in zip(suspects, found.rows, strict=True)
                if not any(self._is_same(told, state) for state in self._watch.passed(suspect.name))
            ]
            suspects = [suspect for suspect, _ in differing]
            if not suspects:
                return
            if round == ROUNDS:
                for suspect, told in differing:
                    self._tell_of(suspect.name, told)

    def _is_same(self, ours: Told | None, theirs: State | None) -> bool:
        if theirs is None or theirs.kind == "deleted":
            return ours is None
        if ours is None:
            return False
        return theirs.kind == "unknown" or not self._differ(ours, theirs)

    def _tell_of(self, name: str, ours: Told | None) -> None:
        theirs = self._watch.passed(name)[-1]
        if theirs is None and not self._is_complete():
            self.tally.untold += 1
            return
        key = dict(zip(self._key_names, parsed(name), strict=True))
        told = parsed(theirs.told) if theirs and theirs.told else None
        if ours is None:
            self.tally.extra += 1
            self._tell(Difference(kind="extra", key=key, theirs=told))
        elif theirs is None or theirs.content is None:
            self.tally.missing += 1
            self._tell(Difference(kind="missing", key=key, ours=ours.row))
        else:
            self.tally.stale += 1
            columns = differences(ours.content, theirs.content).columns
            self._tell(Difference(kind="stale", key=key, columns=columns, ours=ours.row, theirs=told))


def _text(value: Any) -> str:
    """A value of a key as PostgreSQL reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | Decimal) else json.dumps(value, ensure_ascii=False)
