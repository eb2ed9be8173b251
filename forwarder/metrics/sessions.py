"""The sessions of PostgreSQL that this process opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge


class SessionMetrics:
    """Counts sessions by their purpose: leader, reader, doorbell, janitor or load."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._opened = Counter(
            "forwarder_database_sessions_opened",
            "Sessions of PostgreSQL that were opened. Rising while nothing was started anew: connections are cut.",
            ["purpose"],
            registry=registry,
        )
        self._failed = Counter(
            "forwarder_database_session_failures",
            "Sessions of PostgreSQL that could not be opened.",
            ["purpose"],
            registry=registry,
        )
        self._open = Gauge(
            "forwarder_database_sessions", "Sessions of PostgreSQL that are open.", ["purpose"], registry=registry
        )

    @contextmanager
    def opening(self, purpose: str) -> Iterator[None]:
        """Count a session that is opened in this block, or the failure."""
        try:
            yield
        except Exception:
            self._failed.labels(purpose).inc()
            raise
        self._opened.labels(purpose).inc()
        self._open.labels(purpose).inc()

    def closed(self, purpose: str) -> None:
        """A session that was opened has ended."""
        self._open.labels(purpose).dec()
