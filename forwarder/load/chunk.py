"""What a load reads at once: some rows of a table, and where the next ones begin. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from forwarder.outbox.position import Snapshot


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a load has come. It is kept as JSON, and holds values of key columns as they are in the table, also of columns that are hashed."""

    # The oid of the table or partition that is being read.
    relation: int
    # None: its beginning. Else
    #   * of a table with a key: the key that was read last, each value as text, in the order of the index that is walked;
    #   * of one without: where the row is that was read last (its ctid, `(12,3)`), the block before which the load ends, and the file that these are
    #     of (pg_class.relfilenode).
    after: tuple[str, ...] | None = None
    # What these values are of, see ChunkQuery.order: of another order they say nothing. None: the table has no key.
    order: str | None = None
    # Of a partitioned table without a key: the files of the partitions that are still to be read, by oid (load/files.py). None: not known.
    files: dict[int, int] | None = None


class ReadRow(NamedTuple):
    """A row that was read."""

    # The oid of the table or partition that it is in.
    relation: int
    # Its image, as the trigger makes it.
    after: str | None
    # The SQLSTATE why there is no image.
    fault: str | None
    # Further members of its record: '"withheld":["note"]'.
    extra: str | None
    # Where there is no image, the key as the text of a JSON object, {"id":42}, if there is one and it can be told.
    key: str | None
    # Of a table without a key: where the row is, and who made it (ctid and xmin). None if the table has a key.
    identity: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows of one snapshot, all of one table or partition."""

    rows: Sequence[ReadRow]
    # Where the next chunk begins. None: this was the last one.
    place: Place | None
    # The rows are as this snapshot sees them.
    snapshot: Snapshot
    # When it was taken: microseconds since 2000-01-01 UTC.
    at: int
    # How long the query took for the rows, by our clock.
    seconds: float
    # Of all images, as UTF-8.
    bytes: int
