"""Makes the records of one sink from events: in its format, with its partition keys, and as large as it takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from anyio import to_thread

from forwarder.config.sink_url import DEAD_LETTER, KinesisTarget, SinkUrl
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.delivery.destination import Destination, Routing
from forwarder.errors import Misconfigured
from forwarder.events import Event
from forwarder.listen.absent_columns import AbsentColumns
from forwarder.listen.bodies import Bodies, Images, SplicedBodies
from forwarder.listen.large_rows import LargeRows
from forwarder.listen.whole_bodies import WholeBodies, values_of
from forwarder.outbox.keys import member_reader
from forwarder.records import object_mapping, partition_key, renamed_keys
from forwarder.records.formats.catalogue import record_format, renamed
from forwarder.records.formats.debezium.transactions import TableCounts
from forwarder.records.formats.encoder import Provenance
from forwarder.records.packing import HashKeyOf, Packed, Packer
from forwarder.records.partition_key import Chooser
from forwarder.records.renames import Renames

# A page whose long rows have more values than this is made into records in a thread: a format that looks at each value takes some 2 to 8 µs for it,
# so that a MiB of small numbers in arrays takes seconds, in which the leader could not prove that it leads. Ordinary pages are not worth a thread.
VALUES_ON_THE_LOOP = 10_000
# Characters of both images.
LONG_ROW = 16 << 10


class RecordMaker:
    """A packer, and what finds out what it has to know: of large events the columns and the size, and of tables their streams."""

    def __init__(
        self,
        packer: Packer,
        *,
        large_rows: LargeRows,
        bodies: Bodies,
        streams: Routing | None = None,
        table_counts: TableCounts | None = None,
        decodes: bool = False,
    ) -> None:
        """``streams``: None if the sink has but one. ``table_counts``: None if the events need no numbers.

        ``decodes``: the format looks at each value of a row.
        """
        self._packer = packer
        self._large_rows = large_rows
        self._bodies = bodies
        self._streams = streams
        self._table_counts = table_counts
        self._decodes = decodes

    async def records(self, events: Sequence[Event], *, any_stored: bool) -> Packed:
        """The events as records. ``any_stored``: the images of some may be in the database.

        Raises:
            Oversized: an event is too large, and the policy is to stop; it is the first such one.
            Refused: credentials or the endpoint of the streams are wrong.
            Unavailable: the database does not answer.
        """
        if self._streams:
            await self._streams.learn({event.table: None for event in events})
        table_counts = self._table_counts
        # Rows that a load has read are of no transaction.
        if table_counts and events and not events[0].reading:
            events, table_counts = table_counts.number(events)
        if any_stored:
            # In this order: a record may tell its key, which is then a part of its size.
            events = await self._bodies.measured(await self._large_rows.completed(events))
        pack = partial(self._packer.pack, events, any_stored=any_stored)
        # The thread meets no stream that is not known yet: that would be the loop's business.
        packed = await to_thread.run_sync(pack) if self._decodes and _is_slow(events) else pack()
        # Not before: events that could not be made records come again.
        self._table_counts = table_counts
        return packed

    def for_letters(self, sink: str) -> RecordMaker:
        """The same for the dead letters of this sink (``Packer.for_letters``)."""
        packer = self._packer.for_letters(sink)
        return RecordMaker(
            packer, large_rows=self._large_rows, bodies=self._bodies, streams=self._streams, decodes=self._decodes
        )


def record_maker(
    sink_url: SinkUrl,
    destination: Destination,
    *,
    provenance: Provenance,
    images: Images,
    large_rows: LargeRows,
    absent_columns: AbsentColumns,
    mappings: TableMappings | None = None,
    hash_key_of: HashKeyOf | None = None,
) -> RecordMaker:
    """What makes the records that this URL asks for.

    Args:
        images: are read from the database, where they are large.
        large_rows: reads from there the columns that make partition keys.
        absent_columns: is told which of these columns a table lacks.
        mappings: what tables and columns are called in the records; None: as in the database.
        hash_key_of: as the ``Packer`` has it.
    """
    rule = sink_url.partition_key
    make = partial(partition_key.chooser, reader_of=member_reader, tell_absent=absent_columns.tell)
    choose_key: Chooser = make(rule)
    provenance = replace(provenance, key_rule=rule)
    renames = Renames(mappings) if mappings else None
    if renames:
        # What makes a record, or tells its key in it, is given the events under their new names.
        by_rule = renamed_keys.chooser(rule, renames.columns, make)
        choose_key = object_mapping.chooser(renames.object_mapping, by_rule, own_keys=make(rule.own))
        provenance = replace(provenance, object_mapping=renames.object_mapping)
    format = record_format(sink_url.format, sink_url.framing, replace(provenance, choose_key=choose_key))
    if renames:
        format, choose_key = renamed(format, renames), renames.choosing(choose_key)
    bodies = (
        SplicedBodies(format.encode, images)
        if format.splices
        else WholeBodies(format.encode, images, decodes=format.decodes)
    )
    streams = destination.routes.streams if destination.routes else None
    packer = Packer(
        destination.sink,
        origins=provenance.origins,
        encode=format.encode,
        encode_stored=bodies.body,
        choose_key=choose_key,
        oversize=sink_url.target.oversize if isinstance(sink_url.target, KinesisTarget) else DEAD_LETTER,
        has_barriers=_has_barriers(sink_url, mappings),
        streams=streams,
        hash_key_of=hash_key_of,
    )
    return RecordMaker(
        packer,
        large_rows=large_rows,
        bodies=bodies,
        streams=streams,
        table_counts=format.table_counts,
        decodes=format.decodes,
    )


def require_order(sink_url: SinkUrl, mappings: TableMappings) -> None:
    """See that the mappings choose no partition keys by which changes of one row are not in order, where they have to be.

    Raises:
        Misconfigured: they do.
    """
    for rule in mappings.object_mappings.rules:
        if rule.mapping_parameters.partition_key_type == "transaction-id" and sink_url.is_ordered:
            raise Misconfigured(
                f"{mappings.source}: rule-id {rule.rule_id} has the transaction's id for a partition key, by which the changes of a row are not in"
                f" order; add ordering=none to {sink_url.target}, or choose another partition-key-type"
            )


def _has_barriers(sink_url: SinkUrl, mappings: TableMappings | None) -> bool:
    """As ``SinkUrl.needs_barriers``, of a sink whose partition keys the mappings may choose."""
    chooses_keys = mappings is not None and any(
        rule.mapping_parameters.partition_key_type for rule in mappings.object_mappings.rules
    )
    return sink_url.needs_barriers or (sink_url.is_ordered and chooses_keys)


def _is_slow(events: Sequence[Event]) -> bool:
    """Whether to look at all values of these rows takes so long that the loop should not wait for it."""
    long_rows = (event for event in events if len(event.before or "") + len(event.after or "") > LONG_ROW)
    return sum(map(values_of, long_rows)) > VALUES_ON_THE_LOOP
