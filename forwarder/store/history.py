"""Notices that a database is in another history than before: it was promoted, restored or copied, and has forgotten the last commits of the other.

1. No change is lost by that. A copy that has a position has every commit that the position sees, since these stand before it in the WAL
   (docs/design/histories.md).
2. But streams may have changes that the copy has forgotten. Their seqs would be drawn again for other changes, and consumers that tell
   repeats by ``seq`` or ``id`` would drop those. So in another history seqs go on far above all that were drawn before.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from forwarder.database.queries import query
from forwarder.database.server_identity import Server
from forwarder.database.sessions import Connection, database_errors
from forwarder.records.origins import Origin, Origins

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The history that a database was in when ``identify`` was called."""

    # What the ids of the database's changes begin with.
    origins: Origins
    # What `history_stamp.sql` returned. If it returns something else later, what was read in between is of another history.
    stamp: str


async def identify(connection: Connection, server: Server) -> History:
    """Notice if the database on this server is in another history than before, and let its seqs go on where no other history has any.

    Then the log says between which seqs two changes may have one ``id``. To be called before a position is loaded.

    Raises:
        Refused: the schema is missing or older than this program.
        Unavailable: the database does not answer, or a dump is being restored into it.
    """
    with database_errors("cannot record the history of the database"):
        # In one transaction: `enter_history` locks forwarder.history until it ends, so no other history can be restored in between.
        async with connection.transaction():
            entered = await connection.fetchrow(query("enter_history"), server.system_identifier, server.timeline)
            origins = [Origin(*row) for row in await connection.fetch(query("origins"))]
            stamp: str = await connection.fetchval(query("history_stamp"))
    if entered is not None:
        logger.warning(
            "the database was promoted, restored or copied: streams may have what it has forgotten, under seqs in between that come again",
            extra={
                "timeline": entered["timeline"],
                "after_seq": entered["shared_to_seq"],
                "before_seq": entered["own_from_seq"],
            },
        )
    return History(origins=Origins(origins), stamp=stamp)
