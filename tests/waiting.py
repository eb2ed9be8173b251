"""Waiting for a fact: the only place in the tests that sleeps."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")

POLL_INTERVAL_SECONDS = 0.01
# A machine that is so much slower than it should be is not to be tested on.
BUSY = 10


async def eventually(predicate: Callable[[], Awaitable[T]], *, within_seconds: float = 10.0) -> T:
    """Ask until the answer is truthy, and return it.

    Looks are counted, not seconds: on a busy machine, where whatever is waited for takes longer, so does each look.

    Raises:
        TimeoutError: it was not after as many looks as fit into that time.
    """
    with anyio.fail_after(BUSY * within_seconds):
        for _ in range(round(within_seconds / POLL_INTERVAL_SECONDS)):
            if answer := await predicate():
                return answer
            await anyio.sleep(POLL_INTERVAL_SECONDS)
    raise TimeoutError
