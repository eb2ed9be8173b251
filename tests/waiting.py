"""Waiting for a fact: the only place in the tests that sleeps."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")

# The pauses between looks grow with what has been waited for: most looks are work, and many are taken beside what they wait for.
FIRST_PAUSE_SECONDS = 0.005
MAX_PAUSE_SECONDS = 0.05
# A machine that is so much slower than it should be is not to be tested on.
BUSY = 10


async def eventually(predicate: Callable[[], Awaitable[T]], *, within_seconds: float = 10.0) -> T:
    """Ask until the answer is truthy, and return it.

    Pauses are counted, not seconds: on a busy machine, where whatever is waited for takes longer, so does each look.

    Raises:
        TimeoutError: it was not after as many pauses as fit into that time.
    """
    paused = 0.0
    with anyio.fail_after(BUSY * within_seconds):
        while paused < within_seconds:
            if answer := await predicate():
                return answer
            pause = min(max(FIRST_PAUSE_SECONDS, paused / 10), MAX_PAUSE_SECONDS)
            await anyio.sleep(pause)
            paused += pause
    raise TimeoutError
