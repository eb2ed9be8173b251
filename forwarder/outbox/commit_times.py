"""When the transactions of events were committed, where the server keeps that (``track_commit_timestamp``)."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.database.queries import query
from forwarder.database.sessions import Connection
from forwarder.events import Event


class CommitTimes:
    """What the server of one connection knows of it."""

    def __init__(self) -> None:
        # None: not asked yet.
        self._are_kept: bool | None = None

    async def complete(self, connection: Connection, events: Sequence[Event]) -> None:
        """Give each event the time of its commit, if the server knows it: by one statement, or none where the server keeps no times."""
        if self._are_kept is None:
            self._are_kept = await connection.fetchval(query("keeps_commit_times"))
        if not self._are_kept or not events:
            return
        known = await connection.fetch(query("commit_times"), list({event.txid for event in events}))
        if known:
            committed_at = {txid: at for txid, at, _ in known}
            since = known[0]["since"]
            for event in events:
                if event.at >= since:
                    event.committed_at = committed_at.get(event.txid)
