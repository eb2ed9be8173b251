"""Keeps a look that fails, or hangs, from keeping the others from theirs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from forwarder.database.sessions import database_errors
from forwarder.doctor.finding import Finding, Verdict, failure, of_error
from forwarder.errors import ForwarderError, Unavailable, plain_errors

logger = logging.getLogger(__name__)


async def guarded(subject: str, find: Callable[[], Awaitable[Iterable[Finding]]]) -> list[Finding]:
    """What a look finds; if it fails, why. Nothing but a cancellation is raised.

    That something could not be looked at for now is a warning: most likely the database is busy, or somebody has a lock.
    """
    try:
        with plain_errors(), database_errors(f"cannot look at {subject}"):
            return [*await find()]
    except ForwarderError as error:
        return [
            of_error(subject, error, verdict=Verdict.WARNING if isinstance(error, Unavailable) else Verdict.FAILURE)
        ]
    except Exception as error:
        # A mistake of ours: its traceback is in the log. The other looks are worth the more.
        logger.exception("a look has failed", extra={"subject": subject})
        return [failure(subject, f"this look has failed: {type(error).__name__}", remedy="report it, with the log")]


def timed_out(subject: str, seconds: float) -> Finding:
    """What is found by a look that does not come to an end."""
    return failure(
        subject,
        f"no answer within {seconds:g} s; the rest of this area was not looked at",
        remedy="see whether the other side is overloaded, or the network drops what is sent; then run it again",
    )
