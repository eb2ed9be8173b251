"""What a record says of where its change comes from, and when: the member ``source``. Pure."""

from __future__ import annotations

import msgspec

from forwarder.config.formats import Debezium
from forwarder.events import CapturedTable, Event
from forwarder.records.formats.encoder import Provenance

# The version of Debezium whose records these are.
VERSION = "3.6.3.Final"

# From 1970 to 2000, in microseconds.
_EPOCH = 946_684_800_000_000


class Sources:
    """Writes ``source`` for the changes of one database."""

    def __init__(self, provenance: Provenance, options: Debezium) -> None:
        self._name = json_of(options.topic_prefix)
        self._database = json_of(provenance.database)
        self._is_root = options.publish_via_partition_root

    def pattern(self, place: str, *, is_snapshot: bool = False) -> str:
        """``source`` of what is told of a place (``place_of``), but for what differs from event to event.

        There is %s for: milliseconds, seq, microseconds, microseconds, txid, seq, and further members of our own.
        """
        snapshot = "true" if is_snapshot else "false"
        return (
            f'{{"version":"{VERSION}","connector":"postgresql","name":{_literal(self._name)},"ts_ms":%s,"snapshot":"{snapshot}",'
            f'"db":{_literal(self._database)},"sequence":"[null,\\"%s\\"]","ts_us":%s,"ts_ns":%s000,{_literal(place)},"txId":%s,"lsn":%s,'
            '"xmin":null,"origin":null,"origin_lsn":null%s}'
        )

    def place_of(self, table: CapturedTable, partition: str | None, op: bytes) -> str:
        """The names of the table, or of the partition. A TRUNCATE of one partition is never told as one of the whole table."""
        name = table.name if partition is None or (self._is_root and op != b"T") else partition
        return f'"schema":{json_of(table.schema)},"table":{json_of(name)}'


def microseconds_of(event: Event) -> str:
    """When the change was committed, or if nobody knows, captured: microseconds since 1970. The last three digits off, it is milliseconds."""
    return str((event.committed_at or event.at) + _EPOCH)


def json_of(value: object) -> str:
    return msgspec.json.encode(value).decode()


def one_line(record: bytes) -> bytes:
    """The record without line breaks. JSON has them between tokens, where a space means the same."""
    return record.replace(b"\n", b" ").replace(b"\r", b" ")


def _literal(text: str) -> str:
    return text.replace("%", "%%")
