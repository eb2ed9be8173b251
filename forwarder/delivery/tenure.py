"""What a leader has for one tenure: from taking the leadership until it stops or loses it."""

from __future__ import annotations

from dataclasses import dataclass

from forwarder.delivery.arrivals import Arrivals
from forwarder.delivery.lease import Lease
from forwarder.delivery.quarantine import Quarantine
from forwarder.outbox.delivered_ahead import Ahead
from forwarder.outbox.position import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """Where one leader goes on, how long it may send, and where it puts what the sink refuses."""

    # Every change up to here is delivered or set aside; this leader sends what comes after.
    position: Position
    # Which changes after the position are delivered all the same; None: nobody has noted any.
    ahead: Ahead | None = None
    lease: Lease
    quarantine: Quarantine
    # How long changes take to be acknowledged.
    arrivals: Arrivals
