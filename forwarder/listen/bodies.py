"""The data of large records: their images stay in the database until it is their turn, and are then read part by part.

The rest of such a record is encoded when its page is read, with a mark in place of each image, and cut at the marks:

    {"seq":7,"before":␀,"after":␀}    ──►    {"seq":7,"before":    ,"after":    }

These are the pieces. The data is the first piece, the old row's image, the second piece, the new row's image, the third piece.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import database_errors
from forwarder.errors import Torn, Vanished
from forwarder.events import NO_DATA, Event, Stored
from forwarder.listen.leader_session import LeaderSession
from forwarder.metrics import SinkMetrics
from forwarder.records.formats.encoder import Encoder
from forwarder.records.record import Body

# The least that S3 takes as a part of an object. Not less, since the server decompresses the whole image for each part.
PART_BYTES = 5 << 20

# The mark. No text of PostgreSQL has this character in it.
_MARK = "\0"

logger = logging.getLogger(__name__)


class Images:
    """Reads images from the outbox, or from the dead letters, on the leader's session."""

    def __init__(self, session: LeaderSession, *, metrics: SinkMetrics) -> None:
        self._session = session
        self._metrics = metrics

    async def part(self, seq: int, *, letter_of: str | None, is_before: bool, offset: int) -> bytes | None:
        """At most ``PART_BYTES`` bytes of an image, from an offset on; None if the change, or the dead letter, is gone.

        ``letter_of``: the sink whose dead letter it is; None: it is in the outbox. ``is_before``: the old row's image, not the new one's.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._session.turn:
            with database_errors("cannot read a large image"):
                row = await self._session.connection.fetchrow(
                    query("image_part"), seq, letter_of, is_before, offset, PART_BYTES
                )
        if row is None:
            return None
        part: bytes = row[0]
        return part

    def lost(self, seq: int, table: str) -> None:
        """Report that a change is gone from the outbox. We never take out one that a sink has not had, so somebody else has."""
        self._metrics.lost(1)
        logger.error(
            "a change was taken out of the outbox before it could be sent: its record has no row",
            extra={"seq": seq, "table": table},
        )


class Bodies(Protocol):
    """Makes the bodies of events whose images are in the database, in one way or the other: ``SplicedBodies``, ``WholeBodies``."""

    async def measured(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events, and of each what has to be known for the size of its record.

        Raises:
            Unavailable: the database does not answer.
        """

    def body(self, event: Event) -> bytes | Body:
        """A body to read the record by; or the record's data, if it holds no image, or empty, if the format has no record for the event."""


class StoredBody(msgspec.Struct):
    """The pieces of a record, and where its images are: ``forwarder.records.record.Body``."""

    images: Images
    seq: int
    table: str
    # The sink whose dead letter it is; None: it is in the outbox.
    letter_of: str | None
    # The whole record without images. It is what remains if the change is taken out of the outbox.
    bare: bytes
    # One more than there are images.
    pieces: Sequence[bytes]
    # Of each image, whether it is the old row's, and how many bytes it has.
    stored: Sequence[tuple[bool, int]]
    # Whether the change was found to be gone from the outbox.
    is_lost: bool = False
    # It is never in memory whole.
    is_too_large: bool = False

    @property
    def size(self) -> int:
        """Bytes of data."""
        return sum(map(len, self.pieces)) + sum(size for _, size in self.stored)

    async def parts(self) -> AsyncIterator[bytes]:
        """Read it, as ``forwarder.records.record.Body`` promises."""
        before = self.pieces[0]
        is_begun = False
        for (is_before, size), piece in zip(self.stored, self.pieces[1:], strict=True):
            for offset in range(0, size, PART_BYTES):
                # A list, out of which the part is handed over: a variable would keep it in memory until the next one is asked for.
                found = [] if self.is_lost else await self._part(is_before=is_before, offset=offset)
                if not found:
                    if is_begun:
                        raise Torn(f"change {self.seq} was taken out of the outbox while it was being read")
                    yield self.bare
                    return
                is_begun = True
                if before:
                    yield before
                    before = b""
                # A value of type json may have line breaks in it; they are spaces in any record, which is one line.
                yield found.pop().replace(b"\n", b" ").replace(b"\r", b" ")
            before = piece
        yield before

    async def _part(self, *, is_before: bool, offset: int) -> list[bytes]:
        """A part of an image; none if the change is gone from the outbox, which is reported once."""
        found = await self.images.part(self.seq, letter_of=self.letter_of, is_before=is_before, offset=offset)
        if found is not None:
            return [found]
        if self.letter_of is not None:
            raise Vanished(f"change {self.seq} was discarded before it could be sent")
        self.is_lost = True
        self.images.lost(self.seq, self.table)
        return []


class SplicedBodies:
    """Makes the bodies of events whose images are in the database, in a format that has them in its records as they are."""

    def __init__(self, encoder: Encoder, images: Images) -> None:
        self._encoder = encoder
        self._images = images

    async def measured(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events: how large their records will be can be told from what is known of the images."""
        return events

    def body(self, event: Event) -> bytes | Body:
        """A body to read the record by or, if it holds no image, its data."""
        stored = event.stored or Stored(None, None)
        marked = msgspec.structs.replace(
            event,
            before=None if stored.before_bytes is None else _MARK,
            after=None if stored.after_bytes is None else _MARK,
        )
        bare = msgspec.structs.replace(event, before=None, after=None, fault=NO_DATA)
        line, bare_line = self._encoder([marked, bare])
        pieces = line.split(_MARK.encode())
        sizes = [(True, stored.before_bytes), (False, stored.after_bytes)]
        found = [(is_before, size) for is_before, size in sizes if size is not None]
        # The records of a table that keeps no old rows have no `before`, even if one is stored. `after` is the last in any record.
        held = found[len(found) - (len(pieces) - 1) :]
        if not held:
            return line
        return StoredBody(
            self._images, event.seq, event.table.qualified_name, stored.letter_of, bare_line, pieces, held
        )
