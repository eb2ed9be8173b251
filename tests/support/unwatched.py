"""Arrivals of which nobody wants to know how long they have taken."""

from __future__ import annotations

from forwarder.delivery.arrivals import Arrivals


class Timeless:
    """A clock that nobody knows."""

    def at(self, now: float) -> None:
        """Not known."""


class Unwatched(Arrivals):
    """Watches nothing, whatever is shown to it."""

    def __init__(self) -> None:
        super().__init__(Timeless(), lambda _seconds, _changes: None)

    def expect(self, *_: object) -> None:
        """Nothing."""
