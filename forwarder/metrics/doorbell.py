"""How writers wake the listener."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class DoorbellMetrics:
    """What the doorbell has done."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._armed = Gauge(
            "forwarder_doorbell_armed",
            "1 while the listener sleeps and writers ring; 0 while it is awake, or looks at intervals (wake = poll).",
            registry=registry,
        )
        self._rings = Counter(
            "forwarder_doorbell_rings",
            "Notifications of writers that have arrived. Each is a commit that had to take a lock of the whole instance.",
            registry=registry,
        )
        self._wakes = Counter(
            "forwarder_doorbell_wakes",
            "How often the listener woke up: by a ring, or since the interval was over (poll_interval_seconds).",
            ["cause"],
            registry=registry,
        )
        self._refused = Counter(
            "forwarder_doorbell_refusals",
            "How often it could not be armed, since a writer that would not ring was under way.",
            registry=registry,
        )
        for cause in ("ring", "interval"):
            self._wakes.labels(cause)
        # The same as forwarder_doorbell_rings, for who asks this process.
        self.rings = 0
        # How the listener waits for changes: doorbell or poll. None: it does not read the outbox.
        self.mode: str | None = None

    def asked(self, *, is_armed: bool) -> None:
        """The listener has asked for the lock, and has got it or not."""
        self._armed.set(is_armed)
        if not is_armed:
            self._refused.inc()

    def disarmed(self) -> None:
        """Writers need not ring any more."""
        self._armed.set(0)

    def rung(self) -> None:
        """A writer has rung."""
        self._rings.inc()
        self.rings += 1

    def woke(self, *, by_ring: bool) -> None:
        """The listener has slept, and is awake."""
        self._wakes.labels("ring" if by_ring else "interval").inc()
