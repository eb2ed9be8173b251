"""What one sink has done since the process began, as plain numbers. Prometheus makes rates of its counters by itself; who asks the process gets them
from these.
"""

from __future__ import annotations

from collections import Counter

from forwarder.metrics.digest import Digest
from forwarder.metrics.in_memory import InMemory


class SinkTotals:
    """All of it only grows, but for ``holder``."""

    __slots__ = ("bytes", "holder", "latencies", "requests", "stored", "throttled")

    def __init__(self) -> None:
        # From each request to its answer.
        self.requests = Digest()
        # From commits to acknowledgements, a change each.
        self.latencies = Digest()
        self.bytes = 0
        # Records by shard.
        self.stored: Counter[str] = Counter()
        # Requests that a shard has throttled.
        self.throttled: Counter[str] = Counter()
        # What is in memory now; None: this process has not led yet.
        self.holder: InMemory | None = None
