"""Makes the records of one sink from events: in its format, with its partition keys, and as large as it takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from forwarder.config.sink_url import DEAD_LETTER, KinesisTarget, SinkUrl
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.delivery.sink import Sink
from forwarder.errors import Misconfigured
from forwarder.events import Event
from forwarder.listen.bodies import Bodies, Images, SplicedBodies
from forwarder.listen.whole_bodies import WholeBodies
from forwarder.records import object_mapping, partition_key
from forwarder.records.formats.catalogue import record_format, renamed
from forwarder.records.formats.encoder import Provenance
from forwarder.records.packing import Packed, Packer
from forwarder.records.renames import Renames


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


def record_maker(
    sink_url: SinkUrl, sink: Sink, *, provenance: Provenance, images: Images, mappings: TableMappings | None = None
) -> RecordMaker:
    """What makes the records that this URL asks for.

    Args:
        images: are read from the database, where they are large.
        mappings: what tables and columns are called in the records; None: as in the database.
    """
    choose_key = partition_key.chooser(sink_url.partition_key, prefix=sink_url.prefix_key)
    provenance = replace(provenance, key_kind=sink_url.partition_key)
    renames = Renames(mappings) if mappings else None
    if renames:
        # What makes a record, or tells its key in it, is given the events under their new names.
        choose_key = object_mapping.chooser(renames.object_mapping, choose_key)
        provenance = replace(provenance, object_mapping=renames.object_mapping)
    format = record_format(sink_url.format, sink_url.framing, replace(provenance, choose_key=choose_key))
    if renames:
        format, choose_key = renamed(format, renames), renames.choosing(choose_key)
    bodies = SplicedBodies(format.encode, images) if format.splices else WholeBodies(format.encode, images)
    packer = Packer(
        sink,
        origins=provenance.origins,
        encode=format.encode,
        encode_stored=bodies.body,
        choose_key=choose_key,
        oversize=sink_url.target.oversize if isinstance(sink_url.target, KinesisTarget) else DEAD_LETTER,
        has_barriers=_has_barriers(sink_url, mappings),
    )
    return RecordMaker(packer, bodies)


def require_order(sink_url: SinkUrl, mappings: TableMappings) -> None:
    """See that the mappings choose no partition keys by which changes of one row are not in order, where they have to be.

    Raises:
        Misconfigured: they do.
    """
    for rule in mappings.object_mappings.rules:
        if rule.mapping_parameters.partition_key_type == "transaction-id" and _is_ordered(sink_url):
            raise Misconfigured(
                f"{mappings.source}: rule-id {rule.rule_id} has the transaction's id for a partition key, by which the changes of a row are not in"
                f" order; add ordering=none to {sink_url.target}, or choose another partition-key-type"
            )


def _has_barriers(sink_url: SinkUrl, mappings: TableMappings | None) -> bool:
    """Whether a TRUNCATE has to be kept in its place among the changes of its table (``forwarder.delivery.barriers``).

    There is no need where there is no order to keep, nor where all changes of a table are in one lane, or of a sink in one queue.
    """
    chooses_keys = mappings is not None and any(
        rule.mapping_parameters.partition_key_type for rule in mappings.object_mappings.rules
    )
    return _is_ordered(sink_url) and (sink_url.partition_key != "table" or chooses_keys)


def _is_ordered(sink_url: SinkUrl) -> bool:
    return isinstance(sink_url.target, KinesisTarget) and sink_url.target.ordering == "strict"
