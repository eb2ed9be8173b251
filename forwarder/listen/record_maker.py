"""Makes the records of one sink from events: in its format, with its partition keys, and as large as it takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from forwarder.config.sink_url import DEAD_LETTER, KinesisTarget, SinkUrl
from forwarder.delivery.sink import Sink
from forwarder.events import Event
from forwarder.listen.bodies import Bodies, Images, SplicedBodies
from forwarder.listen.whole_bodies import WholeBodies
from forwarder.records import partition_key
from forwarder.records.formats.catalogue import record_format
from forwarder.records.formats.encoder import Provenance
from forwarder.records.packing import Packed, Packer


class RecordMaker:
    """A packer, and what tells it how large the records are whose images are in the database."""

    def __init__(self, packer: Packer, bodies: Bodies) -> None:
        self._packer = packer
        self._bodies = bodies

    async def records(self, events: Sequence[Event], *, any_stored: bool) -> Packed:
        """The events as records. ``any_stored``: the images of some may be in the database.

        Raises:
            Oversized: an event is too large, and the policy is to stop; it is the first such one.
            Unavailable: the database does not answer.
        """
        if any_stored:
            events = await self._bodies.measured(events)
        return self._packer.pack(events, any_stored=any_stored)

    def for_letters(self, sink: str) -> RecordMaker:
        """The same for the dead letters of this sink (``Packer.for_letters``)."""
        return RecordMaker(self._packer.for_letters(sink), self._bodies)


def record_maker(sink_url: SinkUrl, sink: Sink, *, provenance: Provenance, images: Images) -> RecordMaker:
    """What makes the records that this URL asks for. ``images`` are read from the database, where they are large."""
    choose_key = partition_key.chooser(sink_url.partition_key, prefix=sink_url.prefix_key)
    provenance = replace(provenance, key_kind=sink_url.partition_key, choose_key=choose_key)
    format = record_format(sink_url.format, sink_url.framing, provenance)
    bodies = SplicedBodies(format.encode, images) if format.splices else WholeBodies(format.encode, images)
    packer = Packer(
        sink,
        origins=provenance.origins,
        encode=format.encode,
        encode_stored=bodies.body,
        choose_key=choose_key,
        oversize=sink_url.target.oversize if isinstance(sink_url.target, KinesisTarget) else DEAD_LETTER,
        has_barriers=_has_barriers(sink_url),
    )
    return RecordMaker(packer, bodies)


def _has_barriers(sink_url: SinkUrl) -> bool:
    """Whether a TRUNCATE has to be kept in its place among the changes of its table (``forwarder.delivery.barriers``).

    There is no need where there is no order to keep, nor where all changes of a table are in one lane, or of a sink in one queue.
    """
    is_ordered = isinstance(sink_url.target, KinesisTarget) and sink_url.target.ordering == "strict"
    return is_ordered and sink_url.partition_key != "table"
