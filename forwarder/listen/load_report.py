"""What the health checks and the metrics say of a sink's loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forwarder.health import LoadProgress, ServiceState
from forwarder.metrics import SinkMetrics
from forwarder.store.loads import Load, LoadState

# So many failed loads are named; the others are counted.
MOST_WARNINGS = 10
# A load that has finished or was cancelled is nothing to look after.
_SHOWN = (LoadState.WAITING.value, LoadState.RUNNING.value, LoadState.PAUSED.value, LoadState.FAILED.value)


class LoadReport:
    """Is told of the loads of one sink by its leader: ``forwarder.store.loads.LoadReport``."""

    def __init__(self, state: ServiceState, metrics: SinkMetrics) -> None:
        self._state = state
        self._metrics = metrics
        # By number, the rows and bytes that are counted already, or were read by another leader.
        self._counted: dict[int, tuple[int, int]] = {}

    def see(self, loads: Sequence[Load], *, states: Mapping[str, int], remaining_rows: int) -> None:
        """Show these."""
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
        failed = [load for load in loads if load.state is LoadState.FAILED]
        self._state.load_warnings = _warnings(failed, count=states.get(LoadState.FAILED, 0))
        self._metrics.loads({state: states.get(state, 0) for state in _SHOWN}, remaining_rows=remaining_rows)
        self._counted = {load.number: self._counted.get(load.number, (load.rows, load.bytes)) for load in under_way}

    def moved(self, load: Load, *, rows: int, bytes: int) -> None:
        """Count what a load has read and delivered since it was seen first."""
        rows_before, bytes_before = self._counted.get(load.number, (load.rows, load.bytes))
        # It has fewer than before if it has begun anew.
        read = max(0, rows - rows_before)
        self._metrics.loaded(rows=read, size=max(0, bytes - bytes_before))
        if read:
            self._metrics.changed({(load.qualified_name, "read"): read})
        self._counted[load.number] = rows, bytes


def _warnings(failed: Sequence[Load], *, count: int) -> Sequence[str]:
    """A line for each of these loads, and one for the others that have failed."""
    named = failed[:MOST_WARNINGS]
    lines = [
        f"the load of {load.qualified_name} for sink {load.sink} has failed: {load.error}; then run `forwarder load {load.qualified_name}`,"
        " or give it up by --cancel"
        for load in named
    ]
    if count > len(named):
        lines.append(f"{count - len(named)} more loads have failed; `forwarder load --status` shows them")
    return lines
