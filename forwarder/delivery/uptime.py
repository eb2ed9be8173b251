"""A clock that goes on while a process is frozen and while a machine sleeps."""

from __future__ import annotations

import time


def uptime_seconds() -> float:
    """Seconds since some moment in the past.

    Two other clocks will not do. That of the event loop, uvloop, is read once a turn: a process that was frozen within a turn would see an
    old time. The monotonic clock of Linux stands still while the machine is suspended; on other systems it is the best there is.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
