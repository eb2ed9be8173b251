"""What a record says of where its change comes from: the member ``source``, and the times and the transaction that are said beside it. Pure."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

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
        self._opening = (
            f'{{"version":"{VERSION}","connector":"postgresql","name":{json_of(options.topic_prefix)},"ts_ms":'
        )
        self._database = json_of(provenance.database)
        self._is_root = options.publish_via_partition_root
        self._place = lru_cache(maxsize=4096)(self._make_place)

    def of(self, event: Event, microseconds: int, ours: str) -> str:
        """``source`` of a change of a table at this time (``microseconds_of``). ``ours``: further members, each with a comma before it."""
        return self._text(event, microseconds, self._place(event.table, event.partition, event.op), event.txid, ours)

    def of_message(self, event: Event, microseconds: int, ours: str) -> str:
        """``source`` of what is told of no table."""
        return self._text(event, microseconds, '"schema":"","table":""', event.txid or "null", ours)

    def _text(self, event: Event, microseconds: int, place: str, txid: int | str, ours: str) -> str:
        seq = event.seq
        snapshot = "true" if event.op == b"R" else "false"
        return (
            f'{self._opening}{microseconds // 1000},"snapshot":"{snapshot}","db":{self._database},"sequence":"[null,\\"{seq}\\"]",'
            f'"ts_us":{microseconds},"ts_ns":{microseconds}000,{place},"txId":{txid},"lsn":{seq},'
            f'"xmin":null,"origin":null,"origin_lsn":null{ours}}}'
        )

    def _make_place(self, table: CapturedTable, partition: str | None, op: bytes) -> str:
        """The names of the table, or of the partition. A TRUNCATE of one partition is never told as one of the whole table."""
        name = table.name if partition is None or (self._is_root and op != b"T") else partition
        return f'"schema":{json_of(table.schema)},"table":{json_of(name)}'


class Transactions:
    """Counts the changes of each table within a transaction: ``data_collection_order``."""

    def __init__(self) -> None:
        self._txid = 0
        self._index = 0
        self._counts: Counter[int] = Counter()

    def of(self, event: Event) -> str:
        """The member ``transaction``. What nobody knows, since the transaction was not seen from its first change on, is null."""
        if event.index == 1:
            self._txid, self._index = event.txid, 0
            self._counts.clear()
        is_next = event.txid == self._txid and event.index == self._index + 1
        if is_next:
            self._index = event.index
            self._counts[event.table.id] += 1
        order = self._counts[event.table.id] if is_next else "null"
        return (
            f'{{"id":"{event.txid}:{event.seq}","total_order":{event.index or "null"},"data_collection_order":{order}}}'
        )


def microseconds_of(event: Event) -> int:
    """When the change was committed, else when it was captured: microseconds since 1970. The same for each re-send, where the server keeps it."""
    return (event.committed_at or event.at) + _EPOCH


def json_of(value: object) -> str:
    return msgspec.json.encode(value).decode()


def one_line(record: bytes) -> bytes:
    """The record without line breaks. JSON has them between tokens, where a space means the same."""
    if b"\n" in record or b"\r" in record:
        return record.replace(b"\n", b" ").replace(b"\r", b" ")
    return record
