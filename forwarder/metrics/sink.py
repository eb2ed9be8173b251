"""What the parts that deliver to one sink tell of it.

Counters are raised once a request, not once a record, as that would cost more than the record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from forwarder.metrics.in_memory import InMemory
from forwarder.metrics.sink_families import SinkFamilies
from forwarder.metrics.totals import SinkTotals

# Why delivery begins anew.
RestartReason = Literal["database", "leadership", "refused", "start"]


class SinkMetrics:
    """The metrics of one sink."""

    def __init__(self, families: SinkFamilies, sink: str, *, stream: str = "") -> None:
        self._families = families
        self._sink = sink
        self._shard_prefix = stream and f"{stream}/"
        self._requests = families.requests.labels(sink)
        self._records = families.records.labels(sink)
        self._bytes = families.bytes.labels(sink)
        self._failed_requests = families.failed_requests.labels(sink)
        self._lost = families.lost.labels(sink)
        self._out_of_order = families.out_of_order.labels(sink)
        self._checkpoints = families.checkpoints.labels(sink)
        self._load_rows = families.load_rows.labels(sink)
        self._load_bytes = families.load_bytes.labels(sink)
        # Shared by all that tell of this sink.
        self.totals = families.totals.setdefault(sink, SinkTotals())
        families.latency.add(sink)
        # So that Prometheus sees the first one rise, from 0.
        for reason in get_args(RestartReason):
            families.restarts.labels(sink, reason)

    def request(self, *, seconds: float, records: int, size: int) -> None:
        """A request was answered after ``seconds``; ``records`` were stored, with ``size`` bytes of data."""
        self._requests.observe(seconds)
        self._records.inc(records)
        self._bytes.inc(size)
        self.totals.requests.add(seconds)
        self.totals.bytes += size

    def failed(self, records: int) -> None:
        """A request of so many records has had no answer, or was refused as a whole."""
        self._failed_requests.inc()
        self.rejected("Unavailable", records)

    def rejected(self, code: str, count: int) -> None:
        """``count`` records were not stored, for the reason ``code``. They are sent again, unless they are set aside."""
        self._families.rejected.labels(self._sink, code).inc(count)

    def set_aside(self, code: str) -> None:
        """A change went to the dead letters."""
        self._families.set_aside.labels(self._sink, code).inc()

    def lost(self, count: int) -> None:
        """``count`` changes were taken out of the outbox by somebody before they could be sent or set aside."""
        self._lost.inc(count)

    def acknowledged(self, seconds: float, changes: int) -> None:
        """So many changes were acknowledged, so long after their commit."""
        self._families.latency.observe(self._sink, seconds, changes=changes)
        self.totals.latencies.add(seconds, changes)

    def changed(self, changes: Mapping[tuple[str, str], int]) -> None:
        """So many changes of each table and operation were delivered: ``{("public.orders", "insert"): 3}``."""
        self._families.tables.add(self._sink, changes)

    def saved(self, seconds: float) -> None:
        """The position was saved, which took so long."""
        self._checkpoints.observe(seconds)

    def began_anew(self, reason: RestartReason) -> None:
        """Delivery has ended by an error, and begins anew."""
        self._families.restarts.labels(self._sink, reason).inc()

    def throttled(self, shard: str) -> None:
        """A shard has throttled a request."""
        name = f"{self._shard_prefix}{shard}"
        self._families.throttled.labels(self._sink, name).inc()
        self.totals.throttled[name] += 1

    def stored(self, shards: Iterable[str]) -> None:
        """An answer names the shard of each record that it tells stored, and an empty text for each other record."""
        for shard, count in Counter(shards).items():
            if shard:
                self.totals.stored[f"{self._shard_prefix}{shard}"] += count

    def of_stream(self, stream: str) -> SinkMetrics:
        """The same metrics, where the sink has several streams: a shard is named with its stream."""
        return SinkMetrics(self._families, self._sink, stream=stream)

    def barred(self, stream: str, *, is_barred: bool) -> None:
        """Whether one of the sink's streams cannot be written to."""
        if is_barred:
            self._families.barred.labels(self._sink, stream).set(1)
        else:
            self._families.barred.remove(self._sink, stream)

    def out_of_order(self) -> None:
        """A shard has given a record a sequence number below one that it had acknowledged before."""
        self._out_of_order.inc()

    def credentials_end(self, at: float) -> None:
        """The credentials in use end at this time, in seconds since 1970."""
        self._families.credentials_end.labels(self._sink).set(at)

    def credentials_renewed(self, *, is_done: bool) -> None:
        """New credentials were asked for, and came or not."""
        self._families.credentials_renewals.labels(self._sink, "done" if is_done else "failed").inc()

    def loaded(self, *, rows: int, size: int) -> None:
        """So many rows were read by loads and delivered, with so many bytes of images."""
        self._load_rows.inc(rows)
        self._load_bytes.inc(size)

    def loads(self, tables: Mapping[str, int], *, remaining_rows: int) -> None:
        """How many tables have a load in each of these states now, and how many rows are left by the planner's estimate."""
        for state, count in tables.items():
            self._families.loads.labels(self._sink, state).set(count)
        self._families.load_remaining_rows.labels(self._sink).set(remaining_rows)

    def watch(self, holder: InMemory) -> None:
        """From now on, report at each scrape what ``holder`` has in memory."""
        self._families.holders.watch(self._sink, holder)
        self.totals.holder = holder
