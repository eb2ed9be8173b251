"""A clock that nothing stops: neither a process that is frozen nor a machine that sleeps."""

from __future__ import annotations

import time


def uptime_seconds() -> float:
    """Seconds since some moment in the past.

    The event loop's clock will not do: it stands still while the loop handles what it has woken up for. On Linux the monotonic
    clock stands still while the machine is suspended; elsewhere it is the best there is.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
