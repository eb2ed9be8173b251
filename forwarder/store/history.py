"""The history that a database is in. A copy that took over has forgotten the end of another one, which the streams may have.

Nothing is lost by that: the copy has a position if it has all the commits that this position has seen, since they stand before
it in the WAL (docs/design/histories.md). But seqs that were drawn in what is forgotten are drawn again, for other
changes, and consumers tell by ``seq`` and ``id`` what they have.
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
    """The history that a database is in, as somebody has entered it."""

    # What the ids of the database's changes begin with.
    origins: Origins
    # Where it is another one, the database has entered another history since, or one is to be entered: a dump was restored.
    stamp: str


async def identify(connection: Connection, server: Server) -> History:
    """Notice if the database on this server is in another history than before: every seq drawn from now on is new in both.

    Says between which seqs two changes may have one ``id``. To be called before a position is loaded.

    Raises:
        Refused: the schema is missing or older than this program.
        Unavailable: the database does not answer, or a dump is being restored into it.
    """
    with database_errors("cannot record the history of the database"):
        # In one transaction: while it has its lock, nobody restores another one.
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
