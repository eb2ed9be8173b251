"""The bars of ``forwarder listen --once``: how much of what was waiting for each sink is delivered."""

from __future__ import annotations

from collections.abc import Callable

from forwarder.cli.progress import Bars, Count
from forwarder.health import ServiceState
from forwarder.listen.service import Service
from forwarder.outbox.backlog_warnings import Backlog


class Delivery:
    """The bar of one sink."""

    def __init__(self, sink: str) -> None:
        self.bar = Count(sink, unit="changes")
        self._backlog: Backlog | None = None

    def look(self, delivered: int, backlog: Backlog | None, state: ServiceState) -> None:
        """Show how many changes are delivered. ``backlog`` is measured now and then, and changes that come meanwhile add to it."""
        self.bar.done = delivered
        if backlog is not self._backlog:
            self._backlog = backlog
            self.bar.total = delivered + backlog.changes if backlog else None
        elif self.bar.total is not None:
            self.bar.total = max(self.bar.total, delivered)
        self.bar.note = state.reason or ""


def deliveries(service: Service, bars: Bars) -> Callable[[], None]:
    """A bar for each sink, and what brings them up to date."""
    found = {sink: Delivery(sink) for sink in service.states}
    for delivery in found.values():
        bars.add(delivery.bar)

    def look() -> None:
        for sink, delivery in found.items():
            delivery.look(service.delivered(sink), service.backlog(sink), service.states[sink])

    return look
