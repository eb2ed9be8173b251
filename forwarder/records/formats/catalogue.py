"""The formats that there are: of each, what makes the bytes of its records."""

from __future__ import annotations

from dataclasses import dataclass

from forwarder.config.formats import CloudEvents, DynamoDb, Format, Lambda, Native
from forwarder.records.formats import cloudevents, dynamodb, native, row_to_lambda
from forwarder.records.formats.encoder import Encoder, Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFormat:
    """A format with its options, ready for use."""

    encode: Encoder
    # Whether the records hold the images as PostgreSQL wrote them, byte for byte. Then large ones need not be in memory whole.
    splices: bool


def record_format(format: Format, provenance: Provenance) -> RecordFormat:
    """The format that a sink's URL asks for."""
    match format:
        case Native():
            return RecordFormat(encode=native.encoder(provenance), splices=True)
        case Lambda():
            return RecordFormat(encode=row_to_lambda.encoder(provenance, format), splices=True)
        case CloudEvents():
            return RecordFormat(encode=cloudevents.encoder(provenance), splices=True)
        case DynamoDb():
            return RecordFormat(encode=dynamodb.encoder(provenance, format), splices=False)


def needs_columns(format: Format) -> bool:
    """Whether the records depend on the types of columns (``CapturedTable.columns``)."""
    return not isinstance(format, Native | Lambda | CloudEvents)


def leaves_out(format: Format) -> str | None:
    """The changes that the format has no record for; None: there are no such changes."""
    return "TRUNCATE, gaps, changes of tables" if isinstance(format, DynamoDb) else None
