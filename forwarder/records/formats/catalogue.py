"""The formats that there are: of each, what makes the bytes of its records."""

from __future__ import annotations

from dataclasses import dataclass, replace

from forwarder.config.formats import CloudEvents, Debezium, Dms, DynamoDb, Format, Lambda, Native
from forwarder.config.sink_url import Framing
from forwarder.records.formats import cloudevents, dynamodb, native, row_to_lambda
from forwarder.records.formats.debezium import envelope as debezium
from forwarder.records.formats.debezium.transactions import TableCounts
from forwarder.records.formats.dms import encoder as dms
from forwarder.records.formats.encoder import Encoder, Provenance
from forwarder.records.formats.framing import framed
from forwarder.records.renames import Renames


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFormat:
    """A format with its options, ready for use."""

    encode: Encoder
    # Whether the records hold the images as PostgreSQL wrote them, byte for byte. Then large ones need not be in memory whole.
    splices: bool
    # Whether it looks at each value of a row, which takes memory for each.
    decodes: bool
    # What numbers the events before they are encoded, if the records tell `Event.table_index`.
    table_counts: TableCounts | None = None


def record_format(format: Format, framing: Framing, provenance: Provenance) -> RecordFormat:
    """The format that a sink's URL asks for."""
    bare = _bare(format, provenance)
    # A compressed record has to be in memory whole.
    return replace(bare, encode=framed(bare.encode, framing), splices=bare.splices and framing.compression == "none")


def renamed(format: RecordFormat, renames: Renames) -> RecordFormat:
    """The format, with the names that records are to have."""
    return replace(
        format,
        encode=lambda events: format.encode([renames.event(event) for event in events]),
        splices=format.splices and not renames.change_rows,
    )


def _bare(format: Format, provenance: Provenance) -> RecordFormat:
    match format:
        case Native():
            return RecordFormat(encode=native.encoder(provenance), splices=True, decodes=False)
        case Lambda():
            return RecordFormat(encode=row_to_lambda.encoder(provenance, format), splices=True, decodes=False)
        case CloudEvents():
            return RecordFormat(encode=cloudevents.encoder(provenance), splices=True, decodes=False)
        case Debezium():
            table_counts = TableCounts(whole_tables=format.publish_via_partition_root)
            return RecordFormat(
                encode=debezium.encoder(provenance, format),
                splices=False,
                decodes=True,
                table_counts=table_counts if format.provide_transaction_metadata else None,
            )
        case Dms():
            return RecordFormat(encode=dms.encoder(provenance, format), splices=False, decodes=True)
        case DynamoDb():
            return RecordFormat(encode=dynamodb.encoder(provenance, format), splices=False, decodes=True)


def needs_columns(format: Format) -> bool:
    """Whether the records depend on the types of columns (``CapturedTable.columns``)."""
    return not isinstance(format, Native | Lambda | CloudEvents)


def leaves_out(format: Format) -> str | None:
    """The changes that the format has no record for; None: there are no such changes."""
    left_out = "TRUNCATE, gaps, changes of tables, the beginning and end of loads"
    return left_out if isinstance(format, DynamoDb) else None
