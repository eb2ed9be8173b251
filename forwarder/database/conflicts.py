"""Does again what the database undid for the sake of somebody else's transaction."""

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
    """What the work answers; it is done again, after a pause, while it meets conflicts, a few times at most.

    Raises:
        Conflict: it met one each time. All else that the work raises leaves at once.
    """
    backoff = Backoff(first_seconds=FIRST_PAUSE_SECONDS, max_seconds=MAX_PAUSE_SECONDS)
    for _ in range(TRIES - 1):
        try:
            return await work()
        except Conflict:
            await anyio.sleep(backoff.next())
    return await work()
