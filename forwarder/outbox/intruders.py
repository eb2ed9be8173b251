"""Warns of sessions that hold the doorbell's lock exclusively and are no listeners, so that every writer notifies."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.database.lock_holders import holders_of_lock
from forwarder.database.sessions import DOORBELL_LOCK, Connection


async def intruder_warnings(connection: Connection) -> Sequence[str]:
    """One line for each of them, with the statement that ends it.

    Raises:
        Unavailable: the database does not answer.
    """
    return [
        f"every writer pays for a notification: the doorbell's lock is held by {holder}, which is no listener; end it: {holder.remedy}"
        for holder in await holders_of_lock(connection, DOORBELL_LOCK)
        # Those who share it are writers.
        if holder.is_exclusive and not (holder.may_lead and holder.calls_itself("doorbell"))
    ]
