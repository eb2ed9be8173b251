"""Remembers every state that some rows pass through while they are watched. Pure.

A row of the table is read at a snapshot, and then the records are read until they are past it. The row may change again meanwhile, and again. So it
is compared with each state that the records tell of from before the snapshot on: one of them is that of the snapshot.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from forwarder.verify.states import UNNUMBERED, State, Truncate


class Watch:
    """The rows that are watched, by key; None stands for a row without any record so far."""

    def __init__(self) -> None:
        self._passed: dict[str, list[State | None]] = {}

    def begin(self, keys: Collection[str], present: Mapping[str, State]) -> None:
        """Watch these rows and no others; ``present`` are their states now."""
        self._passed = {key: [present.get(key)] for key in keys}

    def passed(self, key: str) -> Sequence[State | None]:
        """The states of a watched row, in their order."""
        return self._passed[key]

    def note(self, state: State) -> None:
        """A record says this; if it is of a watched row, and not older than what is known of it, it is remembered."""
        if (states := self._passed.get(state.key)) is not None:
            last = states[-1]
            if last is None or state.version == UNNUMBERED or state.version >= last.version:
                states.append(state)

    def note_truncated(self, state: State) -> None:
        """A record says this of a time before a TRUNCATE that was read already, in another shard. A snapshot may be of that time."""
        if (states := self._passed.get(state.key)) is not None:
            states.insert(len(states) - 1, state)

    def truncate(self, truncate: Truncate) -> None:
        """As ``RowStates.truncate``. A row that came after it may have been read before it, in another shard: that stays the last."""
        for key, states in self._passed.items():
            last = states[-1]
            if not any(
                state and state.is_before(truncate) and truncate.partition in (None, state.partition)
                for state in states
            ):
                continue
            place = len(states) if last and last.is_before(truncate) else len(states) - 1
            states.insert(place, State(key, truncate.version, "deleted"))
