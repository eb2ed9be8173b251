"""The lanes that wait because the sink refuses their first record for good, and the operator wants no dead letters; and what the state says of it."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.health import ServiceState
from forwarder.records.record import Record


class HaltedLanes:
    """Keeps the first record of each such lane, from when it is refused until it need not be delivered any more, and has the state say so."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        # By `id()`, since a change and a dead letter made of it have the same seq.
        self._heads: dict[int, Record] = {}

    def refused(self, records: Sequence[Record], *, are_heads: bool) -> None:
        """The sink refuses these records for good, and they wait: to keep their lanes in order (``are_heads``), or since it refuses all."""
        if not are_heads:
            self._state.trouble = "the sink refuses records for good; see the log, and `forwarder dead-letters --help`"
            return
        self._heads.update((id(head), head) for head in records)
        self._state.halt = self._reason

    def settle(self, records: Sequence[Record], *, unsettled: set[int]) -> None:
        """These records need not be delivered any more, but for those with an ``id()`` in ``unsettled``."""
        if not self._heads:
            return
        for record in records:
            if id(record) not in unsettled:
                self._heads.pop(id(record), None)
        self._state.halt = self._reason

    @property
    def _reason(self) -> str | None:
        """What an operator should know and can do; None: no lane is halted. A lane is named by a seq: its key has values of a row."""
        if not self._heads:
            return None
        head, *others = self._heads.values()
        more = f"; so it is with {len(others)} more lanes" if others else ""
        return (
            f"the sink refuses change {head.seq} for good, and its lane waits{more}; the log has the sink's code, and with"
            " on_poison=dead-letter such changes are set aside"
        )
