"""Does work again whose transaction the database has undone because of somebody else's: deadlocks and serialization failures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from forwarder.backoff import Backoff
from forwarder.errors import Conflict

TRIES = 6
FIRST_PAUSE_SECONDS = 0.05
MAX_PAUSE_SECONDS = 1.0

T = TypeVar("T")


async def past_conflicts(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work and return its result. After a ``Conflict`` it is done again, after a pause, ``TRIES`` times in all.

    Raises:
        Conflict: the last try met one too. Other errors of the work are raised at once.
    """
    backoff = Backoff(first_seconds=FIRST_PAUSE_SECONDS, max_seconds=MAX_PAUSE_SECONDS)
    for _ in range(TRIES - 1):
        try:
            return await work()
        except Conflict:
            await anyio.sleep(backoff.next())
    return await work()
