"""Waiting for a fact: the only place in the tests that sleeps."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")

POLL_INTERVAL_SECONDS = 0.01


async def eventually(predicate: Callable[[], Awaitable[T]], *, within_seconds: float = 10.0) -> T:
    """Ask until the answer is truthy, and return it.

    Raises:
        TimeoutError: it was not within that time.
    """
    with anyio.fail_after(within_seconds):
        while not (answer := await predicate()):  # noqa: ASYNC110 - what another process does sets no event here
            await anyio.sleep(POLL_INTERVAL_SECONDS)
    return answer
