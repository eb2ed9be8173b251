"""Where changes come from: ``source`` in their records. Pure."""

from __future__ import annotations

from forwarder.config.formats import Debezium
from forwarder.events import Event
from forwarder.records.formats.debezium.fields import Source
from forwarder.records.formats.encoder import Provenance

# From 1970 to 2000, in microseconds.
_EPOCH = 946_684_800_000_000


class Sources:
    """Makes ``source`` for the changes of one database."""

    def __init__(self, provenance: Provenance, options: Debezium) -> None:
        self._name = options.topic_prefix
        self._database = provenance.database
        self._is_root = options.publish_via_partition_root

    def of(self, event: Event, *, schema: str = "", table: str = "") -> Source:
        """``source`` of a change of this table, or of what is told of none.

        Its time is that of the commit, or if nobody knows that, of the capture: mostly the same for each re-send.
        """
        seq = event.told_seq
        microseconds = (event.committed_at or event.at) + _EPOCH
        return Source(
            name=self._name,
            ts_ms=microseconds // 1000,
            # As of Debezium's incremental snapshots: rows come between changes.
            snapshot="incremental" if event.op == b"R" else "false",
            db=self._database,
            sequence=f'[null,"{seq}"]',
            ts_us=microseconds,
            ts_ns=microseconds * 1000,
            schema=schema,
            table=table,
            tx_id=event.txid or None,
            lsn=seq,
        )

    def table_of(self, event: Event) -> str:
        """The name of the partition, or of the whole table. A TRUNCATE of one partition is never told as one of the whole table."""
        return event.partition if event.partition and (event.op == b"T" or not self._is_root) else event.table.name
