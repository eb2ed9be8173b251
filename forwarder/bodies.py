"""The data of large records, whose images are read from the database part by part when it is their turn, not along with their pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import msgspec

from forwarder.database import Connection, errors_of
from forwarder.errors import Vanished
from forwarder.events import Body, Event, Stored
from forwarder.native import Encoder
from forwarder.queries import query

# S3 wants no smaller parts of an object, and each costs the server a look at the whole image.
PART_BYTES = 5 << 20

# Stands for an image while the rest of its record is encoded: PostgreSQL has no text with this character in it.
_MARK = "\0"


class Images:
    """Reads images, on a session that others use as well. ``turn`` is the lock of the session."""

    def __init__(self, connection: Connection, turn: AbstractAsyncContextManager[object]) -> None:
        self._connection = connection
        self._turn = turn

    async def part(self, seq: int, *, letter_of: str | None, is_before: bool, offset: int) -> bytes:
        """At most ``PART_BYTES`` bytes of an image, from an offset on.

        Raises:
            Vanished: the change is there no more.
            Unavailable: the database does not answer.
        """
        async with self._turn:
            with errors_of("cannot read a large image"):
                row = await self._connection.fetchrow(
                    query("image_part"), seq, letter_of, is_before, offset, PART_BYTES
                )
        if row is None:
            raise Vanished(f"change {seq} was discarded before it could be sent")
        part: bytes = row[0]
        return part


class StoredBody(msgspec.Struct, frozen=True):
    """What is around the images of a record, and where they are."""

    images: Images
    seq: int
    letter_of: str | None
    # The first piece is followed by the first image, and so on.
    pieces: Sequence[bytes]
    # Of each image, whether it is the old row's, and its bytes.
    stored: Sequence[tuple[bool, int]]

    @property
    def size(self) -> int:
        """Bytes of data."""
        return sum(map(len, self.pieces)) + sum(size for _, size in self.stored)

    async def parts(self) -> AsyncIterator[bytes]:
        """What ``forwarder.events.Body`` promises."""
        before = self.pieces[0]
        for (is_before, size), piece in zip(self.stored, self.pieces[1:], strict=True):
            for offset in range(0, size, PART_BYTES):
                # Kept by nobody but who asks, or it would be in memory until the next one is asked for.
                found = [await self.images.part(self.seq, letter_of=self.letter_of, is_before=is_before, offset=offset)]
                if before:
                    yield before
                    before = b""
                # As in a record that is encoded as a whole: a line break that a column of type json was written with.
                yield found.pop().replace(b"\n", b" ").replace(b"\r", b" ")
            before = piece
        yield before


def encode(encoder: Encoder, event: Event, images: Images) -> bytes | Body:
    """The data of a large event: what to read it by or, if its record holds none of the images, itself."""
    stored = event.stored or Stored(None, None)
    marked = msgspec.structs.replace(
        event,
        before=None if stored.before_bytes is None else _MARK,
        after=None if stored.after_bytes is None else _MARK,
    )
    [line] = encoder([marked])
    pieces = line.split(_MARK.encode())
    sizes = [(True, stored.before_bytes), (False, stored.after_bytes)]
    found = [(is_before, size) for is_before, size in sizes if size is not None]
    # A table that keeps no old rows has none in its records, whatever is stored; the new row comes last.
    held = found[len(found) - (len(pieces) - 1) :]
    return StoredBody(images, event.seq, stored.letter_of, pieces, held) if held else line
