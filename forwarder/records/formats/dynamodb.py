"""The format ``dynamodb``: what Kinesis Data Streams for DynamoDB writes, or a stream of DynamoDB itself. Pure.

A row is an item, and its primary key the key of the item. What happens to a whole table has no record, since DynamoDB has no word for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec

from forwarder.config.formats import DynamoDb
from forwarder.events import CapturedTable, Event
from forwarder.records.formats.dynamodb_images import Images
from forwarder.records.formats.encoder import Encoder, Provenance
from forwarder.records.formats.rare_members import rare_members
from forwarder.records.origins import Origins

# An event of the application's own is an item of a table of events. A member tells it from a row, whose changes come in the order of their seqs.
_OF_EVENTS = ',"op":"event"'
_NAMES = {b"I": "INSERT", b"R": "INSERT", b"E": "INSERT", b"U": "MODIFY", b"D": "REMOVE"}
# Microseconds from 1970 to 2000.
_SINCE_1970 = 946_684_800_000_000
_MILLISECOND, _SECOND = 1_000, 1_000_000
# The last part of a UUID.
_ID_BITS = 48
_ID_MASK = (1 << _ID_BITS) - 1


# Writes the record of a change: with the event's name, the table's as JSON, the images (``"Keys":{…},"NewImage":{…}``), and their bytes as DynamoDB
# counts them.
_Write = Callable[[Event, str, str, str, int], str]


def encoder(provenance: Provenance, options: DynamoDb) -> Encoder:
    """A function from events to the bytes of their records, one each.

    Empty: what concerns a whole table, and an update that changes nothing.
    """
    write = _as_streams(provenance, options) if options.style == "streams" else _as_kinesis(provenance, options)
    has_new, has_old = options.view.startswith("NEW"), options.view.endswith(("OLD_IMAGE", "OLD_IMAGES"))

    def encode(events: Sequence[Event]) -> list[bytes]:
        encoded: list[bytes] = []
        table = None
        for event in events:
            if event.table is not table:
                table = event.table
                has_before = table.before_image != "none"
                table_name = _json(table.qualified_name if options.tableName == "schema.table" else table.name)
                of_keys, of_rows = _images_of(table)
                names = _further_names(table)
            name, before, after = _NAMES.get(event.op), event.before if has_before else None, event.after
            if name is None or (name == "MODIFY" and ((after and after == before) or _has_no_change(event.extra))):
                encoded.append(b"")
                continue
            keys, size = of_keys.key(event.key, event.key_values or "") if event.key else ("{}", 0)
            images = f'"Keys":{keys}'
            if has_new and after:
                image, image_size = of_rows.image(after)
                images, size = f'{images},"NewImage":{image}', size + image_size
            if has_old and before:
                image, image_size = of_rows.image(before)
                images, size = f'{images},"OldImage":{image}', size + image_size
            record = write(event, name, table_name, images, size)
            more = names if event.op != b"E" else names + _OF_EVENTS
            if event.fault or event.omitted or event.moved or event.context or event.extra or event.committed_at:
                more += rare_members(event)
            if event.op == b"R":
                # Its id has no place for this.
                more += f',"seq":{event.told_seq}'
            if more:
                record = _with_more(record, more)
            encoded.append(record.encode())
        return encoded

    return encode


def _has_no_change(extra: str | None) -> bool:
    """Whether this is what a trigger says of an update of which it tells only what has changed, and nothing has."""
    return extra is not None and extra.startswith('"changed":[]')


def _as_kinesis(provenance: Provenance, options: DynamoDb) -> _Write:
    """Writes as Kinesis Data Streams for DynamoDB does."""
    id_of = _ids(provenance.origins)
    opening = f'{{"awsRegion":{_json(provenance.region or "")},"eventID":"'
    unit = 1 if options.timestamps == "MICROSECOND" else _MILLISECOND
    precision = ',"ApproximateCreationDateTimePrecision":"MICROSECOND"' if unit == 1 else ""

    def write(event: Event, name: str, table: str, images: str, size: int) -> str:
        time = (event.at + _SINCE_1970) // unit
        return (
            f'{opening}{id_of(event)}","eventName":"{name}","userIdentity":null,'
            f'"recordFormat":"application/json","tableName":{table},'
            f'"dynamodb":{{"ApproximateCreationDateTime":{time},{images},"SizeBytes":{size}{precision}}},"eventSource":"aws:dynamodb"}}'
        )

    return write


def _as_streams(provenance: Provenance, options: DynamoDb) -> _Write:
    """Writes as a stream of DynamoDB hands records to AWS Lambda."""
    id_of = _ids(provenance.origins)
    region = provenance.region or ""
    constant = f'"eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":{_json(region)},"dynamodb":{{'

    def write(event: Event, name: str, table: str, images: str, size: int) -> str:
        time = (event.at + _SINCE_1970) // _SECOND
        return (
            f'{{"eventID":"{id_of(event).replace("-", "")}","eventName":"{name}",{constant}"ApproximateCreationDateTime":{time},'
            f'{images},"SequenceNumber":"{event.told_seq:021d}","SizeBytes":{size},"StreamViewType":"{options.view}"}},'
            f'"eventSourceARN":"arn:aws:dynamodb:{region}::table/{table[1:-1]}/stream/forwarder"}}'
        )

    return write


def _ids(origins: Origins) -> Callable[[Event], str]:
    """Makes the UUID of a change by its seq, the same over every re-send.

    It is one of version 8, whose content is up to the writer: 60 bits of a hash of the change's origin, and 62 bits of its seq. That of a row which
    a load has read is a hash of its id.
    """
    # The seqs whose ids begin alike, and that beginning. In one tuple, since large records are made in threads.
    latest = 1, 0, ""

    def id_of(event: Event) -> str:
        nonlocal latest
        if event.reading:
            digits = hashlib.sha256(origins.id_of(event).encode()).hexdigest()
            return f"{digits[:8]}-{digits[8:12]}-8{digits[12:15]}-a{digits[15:18]}-{digits[18:30]}"
        seq = event.seq
        first_seq, last_seq, opening = latest
        if not first_seq <= seq <= last_seq:
            named = origins.around(seq)
            block = seq >> _ID_BITS
            first_seq = max(named.first_seq, block << _ID_BITS)
            last_seq = min(named.last_seq, (block + 1 << _ID_BITS) - 1)
            origin = hashlib.sha256(named.name.encode()).hexdigest()
            opening = f"{origin[:8]}-{origin[8:12]}-8{origin[12:15]}-{block | 0x8000:04x}-"
            latest = first_seq, last_seq, opening
        return f"{opening}{seq & _ID_MASK:012x}"

    return id_of


@lru_cache(maxsize=4096)
def _images_of(table: CapturedTable) -> tuple[Images, Images]:
    """What makes images of the table's keys, and of its rows."""
    key_columns = {name for names in table.key_columns for name in names}
    keys = [column for column in table.columns if column.name in key_columns]
    return Images(keys), Images(table.columns)


@lru_cache(maxsize=4096)
def _further_names(table: CapturedTable) -> str:
    """``,"schema":"public","table":"order.items"`` of a table whose name alone could be read in two ways: as the table items, too. Else empty.

    A dot may stand between schema and table, and a slash ends the table's name in an ARN.
    """
    names = f',"schema":{_json(table.schema)},"table":{_json(table.name)}'
    return names if "." in names or "/" in names else ""


def _with_more(record: str, members: str) -> str:
    """The record with a last member, ``"forwarder":{"fault":"54000"}``, for what DynamoDB has no place for."""
    more = members[1:].replace("\n", " ").replace("\r", " ")
    return f'{record[:-1]},"forwarder":{{{more}}}}}'


def _json(value: str) -> str:
    return msgspec.json.encode(value).decode()
