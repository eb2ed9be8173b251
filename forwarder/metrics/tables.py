"""The changes of each table, as long as there are not too many tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class TableCounts(Collector):
    """Counts the changes of each table and sink. With more than a limit of these pairs nothing is told by table any more, until the end of the
    process: a part of the tables would look like all of them, and each series costs Prometheus memory.
    """

    def __init__(self, registry: CollectorRegistry, *, limit: int) -> None:
        """``limit``: pairs of sink and table; 0: nothing is told by table."""
        self._limit = limit
        self._is_limited = limit == 0
        self._pairs: set[tuple[str, str]] = set()
        # By sink, table and operation.
        self._changes: Counter[tuple[str, str, str]] = Counter()
        registry.register(self)

    def add(self, sink: str, changes: Mapping[tuple[str, str], int]) -> None:
        """So many changes of each table and operation were delivered: ``{("public.orders", "insert"): 3}``, by the words of records."""
        if self._is_limited:
            return
        self._pairs.update((sink, table) for table, _ in changes)
        if len(self._pairs) > self._limit:
            self._is_limited = True
            self._changes.clear()
            return
        for (table, operation), count in changes.items():
            self._changes[sink, table, operation] += count

    def collect(self) -> Iterable[Metric]:
        """What was counted."""
        changes = CounterMetricFamily(
            "forwarder_table_changes",
            "Changes delivered, by table and operation. Not told while forwarder_tables_limited is 1.",
            labels=["sink", "table", "op"],
        )
        for labels, count in self._changes.items():
            changes.add_metric(labels, count)
        limited = GaugeMetricFamily(
            "forwarder_tables_limited",
            "1 if nothing is told by table, since more pairs of sink and table have changes than tables_limit in [metrics] allows.",
            value=self._is_limited,
        )
        return changes, limited
