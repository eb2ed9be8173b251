"""The data of large records, whose images are read from the database part by part when it is their turn, not along with their pages."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence

import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import database_errors
from forwarder.errors import Torn, Vanished
from forwarder.events import NO_DATA, Event, Stored
from forwarder.listen.leader_session import LeaderSession
from forwarder.metrics import SinkMetrics
from forwarder.records.formats.native import Encoder
from forwarder.records.record import Body

# S3 wants no smaller parts of an object, and each costs the server a look at the whole image.
PART_BYTES = 5 << 20

# Stands for an image while the rest of its record is encoded: PostgreSQL has no text with this character in it.
_MARK = "\0"

logger = logging.getLogger(__name__)


class Images:
    """Reads images from the outbox, or from the dead letters, on the leader's session."""

    def __init__(self, session: LeaderSession, *, metrics: SinkMetrics) -> None:
        self._session = session
        self._metrics = metrics

    async def part(self, seq: int, *, letter_of: str | None, is_before: bool, offset: int) -> bytes | None:
        """At most ``PART_BYTES`` bytes of an image, from an offset on; None if the change is there no more.

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
        """Tell that nothing but somebody else can have taken a change out of the outbox, since this sink has not had it."""
        self._metrics.lost(1)
        logger.error(
            "a change was taken out of the outbox before it could be sent: its record has no row",
            extra={"seq": seq, "table": table},
        )


class StoredBody(msgspec.Struct):
    """What is around the images of a record, and where they are."""

    images: Images
    seq: int
    table: str
    letter_of: str | None
    # The record that takes its place if it is taken out of the outbox.
    bare: bytes
    # The first piece is followed by the first image, and so on.
    pieces: Sequence[bytes]
    # Of each image, whether it is the old row's, and its bytes.
    stored: Sequence[tuple[bool, int]]
    is_lost: bool = False

    @property
    def size(self) -> int:
        """Bytes of data."""
        return sum(map(len, self.pieces)) + sum(size for _, size in self.stored)

    async def parts(self) -> AsyncIterator[bytes]:
        """What ``forwarder.events.Body`` promises."""
        before = self.pieces[0]
        is_begun = False
        for (is_before, size), piece in zip(self.stored, self.pieces[1:], strict=True):
            for offset in range(0, size, PART_BYTES):
                # Kept by nobody but who asks, or it would be in memory until the next one is asked for.
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
                # As in a record that is encoded as a whole: a line break that a column of type json was written with.
                yield found.pop().replace(b"\n", b" ").replace(b"\r", b" ")
            before = piece
        yield before

    async def _part(self, *, is_before: bool, offset: int) -> list[bytes]:
        """A part of an image; nothing if the change is lost, which is told once."""
        found = await self.images.part(self.seq, letter_of=self.letter_of, is_before=is_before, offset=offset)
        if found is not None:
            return [found]
        if self.letter_of is not None:
            raise Vanished(f"change {self.seq} was discarded before it could be sent")
        self.is_lost = True
        self.images.lost(self.seq, self.table)
        return []


def encode(encoder: Encoder, event: Event, images: Images) -> bytes | Body:
    """The data of a large event: what to read it by or, if its record holds none of the images, itself."""
    stored = event.stored or Stored(None, None)
    marked = msgspec.structs.replace(
        event,
        before=None if stored.before_bytes is None else _MARK,
        after=None if stored.after_bytes is None else _MARK,
    )
    bare = msgspec.structs.replace(event, before=None, after=None, fault=NO_DATA)
    line, bare_line = encoder([marked, bare])
    pieces = line.split(_MARK.encode())
    sizes = [(True, stored.before_bytes), (False, stored.after_bytes)]
    found = [(is_before, size) for is_before, size in sizes if size is not None]
    # A table that keeps no old rows has none in its records, whatever is stored; the new row comes last.
    held = found[len(found) - (len(pieces) - 1) :]
    if not held:
        return line
    return StoredBody(images, event.seq, event.table.qualified_name, stored.letter_of, bare_line, pieces, held)
