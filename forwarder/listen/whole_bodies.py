"""The data of large records whose format needs their images whole: it decodes them, or the record is compressed.

Such a record is made twice from its images, which are read from the database each time: once to know its size, when its page is packed, and once
to send it. In between it takes no memory.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence

import msgspec
from anyio import to_thread
from msgspec.structs import replace

from forwarder.errors import Vanished
from forwarder.events import NO_DATA, Event, Sizes, Stored
from forwarder.listen.bodies import Images
from forwarder.records.formats.encoder import Encoder
from forwarder.records.guarded_encoding import complaint
from forwarder.records.packing import without_before
from forwarder.records.record import Body

logger = logging.getLogger(__name__)

# A record takes some five times as much memory as its images while it is made.
MAX_IMAGE_BYTES = 16 << 20
# And some 300 bytes for each value, element of an array or member of a document that has to be looked at: an array of small numbers would take a
# hundred times as much as its text.
MAX_VALUES = 200_000


class WholeBodies:
    """Makes the bodies of events whose images are in the database."""

    def __init__(self, encoder: Encoder, images: Images, *, decodes: bool) -> None:
        """``decodes``: the format looks at each value of a row, and does not only compress it."""
        self._encoder = encoder
        self._images = images
        self._max_values = MAX_VALUES if decodes else None

    async def measured(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events, and of those whose images are in the database, how large their records will be.

        Raises:
            Unavailable: the database does not answer.
        """
        return [await self._measured(event) if event.stored else event for event in events]

    def body(self, event: Event) -> bytes | Body:
        """The body of such an event; empty data if the format has no record for it."""
        body = WholeBody(self._images, self._encoder, event, _stored(event))
        return b"" if body.size == 0 else body

    async def _measured(self, event: Event) -> Event:
        try:
            sizes = Sizes(await self._size(event), await self._size(without_before(event)))
        except Vanished:
            # It is a dead letter that was discarded, which whoever reads the body will notice.
            return event
        # A copy: other sinks have the same event, in formats of their own.
        return replace(event, stored=replace(_stored(event), sizes=sizes))

    async def _size(self, event: Event) -> int | None:
        """The size of its record; None if that cannot be made, since it is too large or its format fails."""
        body = WholeBody(self._images, self._encoder, event, _stored(event))
        if body.is_too_large:
            return None
        whole = await body.with_images()
        if self._max_values and values_of(whole) > self._max_values:
            return None
        try:
            return len(await body.made(whole))
        except Exception as error:  # noqa: BLE001 - as in guarded_encoding.py
            logger.error(
                "a change cannot be encoded and is set aside: please report this",
                extra={"seq": event.seq, "table": event.table.qualified_name, "error": complaint(error)},
            )
            return None


class WholeBody(msgspec.Struct):
    """The data of one record: ``forwarder.records.record.Body``."""

    images: Images
    encoder: Encoder
    event: Event
    stored: Stored

    @property
    def size(self) -> int:
        """Bytes of data, if it was measured and can be made; else those of the images."""
        return self._image_bytes if self._measured is None else self._measured

    @property
    def is_too_large(self) -> bool:
        """Whether its images are more than may be in memory for one record, or its record could not be made when it was measured."""
        return self._image_bytes > MAX_IMAGE_BYTES or (self.stored.sizes is not None and self._measured is None)

    @property
    def _measured(self) -> int | None:
        if (sizes := self.stored.sizes) is None:
            return None
        return sizes.without_before if "before" in self.event.omitted else sizes.whole

    @property
    def _image_bytes(self) -> int:
        return (self.stored.before_bytes or 0) + (self.stored.after_bytes or 0)

    async def parts(self) -> AsyncIterator[bytes]:
        """Make it, as one part."""
        yield await self.made(await self.with_images())

    async def made(self, event: Event) -> bytes:
        """The record of the event with its images."""
        # In a thread: it may take a second, in which the leader could not prove that it leads.
        [data] = await to_thread.run_sync(self.encoder, [event])
        return data

    async def with_images(self) -> Event:
        """Read the images; if somebody has taken the change out of the outbox, the event has none, and a fault that says so.

        Raises:
            Vanished: it is that of a dead letter, which somebody has discarded.
            Unavailable: the database does not answer.
        """
        before = await self._image(self.stored.before_bytes, is_before=True)
        after = await self._image(self.stored.after_bytes, is_before=False)
        if len(before or b"") + len(after or b"") < self._image_bytes:
            if self.stored.letter_of is not None:
                raise Vanished(f"change {self.event.seq} was discarded before it could be sent")
            self.images.lost(self.event.seq, self.event.table.qualified_name)
            return replace(self.event, fault=NO_DATA)
        return replace(self.event, before=before and before.decode(), after=after and after.decode())

    async def _image(self, size: int | None, *, is_before: bool) -> bytes | None:
        """An image; a part of it if the change is gone from the outbox meanwhile."""
        if size is None:
            return None
        parts: list[bytes] = []
        offset = 0
        while offset < size:
            part = await self.images.part(
                self.event.seq, letter_of=self.stored.letter_of, is_before=is_before, offset=offset
            )
            if not part:
                break
            parts.append(part)
            offset += len(part)
        return b"".join(parts)


def values_of(event: Event) -> int:
    """About how many values the images have: as many as they have commas, and those in strings on top."""
    return sum(image.count(",") for image in (event.before, event.after) if image)


def _stored(event: Event) -> Stored:
    return event.stored or Stored(None, None)
