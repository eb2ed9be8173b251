"""The metrics of the outbox, which all sinks share: what is read, what is kept, and what the janitor does."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from forwarder.metrics.buckets import CALL_SECONDS


class Waiting(Protocol):
    """What a sink has not delivered yet; ``forwarder.outbox.backlog_warnings.Backlog`` has it."""

    @property
    def sink(self) -> str: ...
    @property
    def waiting_seconds(self) -> float | None: ...
    @property
    def changes(self) -> int: ...
    @property
    def dead_letters(self) -> int: ...


class OutboxMetrics:
    """The metrics of the outbox."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._bytes = Gauge("forwarder_outbox_bytes", "The outbox on disk, with indexes.", registry=registry)
        self._measured_at = Gauge(
            "forwarder_outbox_measured_timestamp_seconds",
            "When the outbox was measured last, in seconds since 1970: once in two or three seconds, by who leads and who stands by.",
            registry=registry,
        )
        self._waiting = Gauge(
            "forwarder_outbox_waiting_seconds",
            "Age of a sink's oldest undelivered change; 0: there is none. Not told while the outbox cannot be measured.",
            ["sink"],
            registry=registry,
        )
        self._backlog = Gauge(
            "forwarder_outbox_backlog_changes",
            "Changes that a sink has not delivered. Above 1,000 it is told by the difference of seqs, in which also those count that were rolled "
            "back, or are for other sinks.",
            ["sink"],
            registry=registry,
        )
        self._letters = Gauge(
            "forwarder_dead_letters",
            "Changes that were set aside and are still there, by sink; 10000 stands for that many or more.",
            ["sink"],
            registry=registry,
        )
        self._paused = Gauge(
            "forwarder_capture_paused",
            "1 while capture is paused, since the outbox is above max_bytes: changes are being missed.",
            registry=registry,
        )
        self._uncaptured = Gauge(
            "forwarder_uncaptured_tables",
            "Tables and partitions that should be captured, and whose trigger is missing or disabled.",
            registry=registry,
        )
        self._clock_ahead = Gauge(
            "forwarder_database_clock_ahead_seconds",
            "How far the database's clock is ahead of this machine's; below 0: behind.",
            registry=registry,
        )
        self._reads = Histogram(
            "forwarder_outbox_read_seconds",
            "Time to read changes, with all that is looked up for them: head (what is new, for all sinks at once) or backlog (a page for a sink that "
            "is behind).",
            ["of"],
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._read_changes = Counter(
            "forwarder_outbox_read_changes",
            "Changes that were read. A sink that is behind reads for itself, so one change may count for several sinks.",
            registry=registry,
        )
        self._rounds = Histogram(
            "forwarder_janitor_round_seconds",
            "Time of a round of the janitor, which empties leaves and measures the outbox.",
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._failures = Counter(
            "forwarder_janitor_failures",
            "Rounds of the janitor that have failed; delivery goes on, and it tries again.",
            registry=registry,
        )
        self._reclaimed = Counter("forwarder_outbox_reclaimed_leaves", "Leaves emptied.", registry=registry)
        for of in ("head", "backlog"):
            self._reads.labels(of)

    def measured(self, size: int, *, is_paused: bool) -> None:
        """The outbox has ``size`` bytes on disk now, and capture is paused or not."""
        self._bytes.set(size)
        self._paused.set(is_paused)
        self._measured_at.set(time.time())

    def uncaptured(self, count: int) -> None:
        """The changes of ``count`` tables and partitions are not captured now, although they should be."""
        self._uncaptured.set(count)

    def waiting(self, backlogs: Iterable[Waiting]) -> None:
        """What each sink has not delivered now. Sinks not named are dropped."""
        self.forget()
        for backlog in backlogs:
            self._waiting.labels(backlog.sink).set(backlog.waiting_seconds or 0.0)
            self._backlog.labels(backlog.sink).set(backlog.changes)
            self._letters.labels(backlog.sink).set(backlog.dead_letters)

    def forget(self) -> None:
        """The outbox cannot be measured: no figure is better than one that nobody would see grow."""
        for gauge in (self._waiting, self._backlog, self._letters):
            gauge.clear()

    def clock_ahead(self, seconds: float) -> None:
        """The database's clock is so far ahead of this machine's."""
        self._clock_ahead.set(seconds)

    def read(self, of: Literal["head", "backlog"], *, seconds: float, changes: int) -> None:
        """So many changes were read at once."""
        self._reads.labels(of).observe(seconds)
        self._read_changes.inc(changes)

    def tidied(self, seconds: float) -> None:
        """The janitor has made a round."""
        self._rounds.observe(seconds)

    def not_tidied(self) -> None:
        """A round of the janitor has failed."""
        self._failures.inc()

    def reclaimed(self) -> None:
        """A leaf was emptied."""
        self._reclaimed.inc()
