"""What the health checks and the metrics say of a sink's loads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from forwarder.health import LoadProgress, ServiceState
from forwarder.metrics import SinkMetrics
from forwarder.store.loads import Load, LoadState

# So many failed loads are named; the others are counted.
MOST_WARNINGS = 10


class LoadReport:
    """Looks at the loads of one sink whenever its leader does, and says how they are."""

    def __init__(self, state: ServiceState, metrics: SinkMetrics) -> None:
        self._state = state
        self._metrics = metrics
        # By number, the rows and bytes that were read when it was seen last.
        self._seen: dict[int, tuple[int, int]] = {}

    def see(self, loads: Sequence[Load]) -> None:
        """Show these: the newest load of each table. What they have read before they were seen first was another tenure's, and is not counted."""
        under_way = [load for load in loads if load.state in (LoadState.WAITING, LoadState.RUNNING)]
        self._state.loads = [
            LoadProgress(
                table=load.qualified_name,
                state=load.state.value,
                rows=load.rows,
                bytes=load.bytes,
                estimated_rows=load.estimated_rows,
            )
            for load in under_way
        ]
        self._state.load_warnings = _warnings(loads)
        counted = Counter(load.state.value for load in loads)
        self._metrics.loads(
            {state.value: counted[state.value] for state in LoadState},
            remaining_rows=sum(max(0, (load.estimated_rows or 0) - load.rows) for load in under_way),
        )
        self._count(loads)

    def _count(self, loads: Sequence[Load]) -> None:
        for load in loads:
            rows, size = self._seen.get(load.number, (load.rows, load.bytes))
            # It has fewer than before if it has begun anew.
            self._metrics.loaded(rows=max(0, load.rows - rows), size=max(0, load.bytes - size))
        self._seen = {load.number: (load.rows, load.bytes) for load in loads}


def _warnings(loads: Sequence[Load]) -> Sequence[str]:
    failed = [load for load in loads if load.state is LoadState.FAILED]
    lines = [
        f"the load of {load.qualified_name} for sink {load.sink} has failed: {load.error}; then run `forwarder load {load.qualified_name}`,"
        " or give it up by --cancel"
        for load in failed[:MOST_WARNINGS]
    ]
    if len(failed) > MOST_WARNINGS:
        lines.append(f"{len(failed) - MOST_WARNINGS} more loads have failed; `forwarder load --status` shows them")
    return lines
