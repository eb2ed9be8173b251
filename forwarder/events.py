"""What travels: a captured table, one change of it, and the record that a sink is given."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import Protocol

import msgspec

# The fault of a change whose images somebody has taken out of the outbox before they were read: the SQLSTATE no_data.
NO_DATA = "02000"


class CapturedTable(msgspec.Struct, frozen=True, eq=False, kw_only=True, dict=True):
    """A captured table, as the registry knows it. Compared and hashed by identity, so that what follows from it can be cached."""

    id: int
    relation: int
    schema: str
    name: str
    # For each key column, in key order, every name it was seen under, newest first. Empty: the table has no key.
    key_columns: tuple[tuple[str, ...], ...]
    before_image: str

    @cached_property
    def qualified_name(self) -> str:
        """``public.orders``; not quoted, so not for SQL."""
        return f"{self.schema}.{self.name}"


class Stored(msgspec.Struct, frozen=True, gc=False):
    """The images of a large change, which were left in the database: their bytes in UTF-8, None for one that there is not."""

    before_bytes: int | None
    after_bytes: int | None
    # The sink whose dead letter the change is; None: it is in the outbox.
    letter_of: str | None = None


class Event(msgspec.Struct, gc=False):
    """One change of one row (or a TRUNCATE), as the trigger captured it.

    ``before`` and ``after`` are JSON texts written by the server; nothing parses and re-encodes them. Those of a large change are null
    here, and ``stored``.
    """

    seq: int
    txid: int
    # Microseconds since 2000-01-01 UTC.
    at: int
    table: CapturedTable
    # Name of the partition that was written, where the captured table is partitioned.
    partition: str | None
    # I(nsert), U(pdate), D(elete), T(runcate), or G(ap): from here on, or up to here, changes of the table were not captured.
    op: bytes
    before: str | None
    after: str | None
    # SQLSTATE of the error that kept the row from becoming JSON, or what a gap is about, or ``NO_DATA``; both images are null then. Or of
    # the one that kept an image from becoming UTF-8; that one is null then.
    fault: str | None
    # This is change `index` of the `count` that its transaction made, counted from 1 in order of seq. Of a very large transaction only
    # the last change says how many there are. 0 and None: nobody knows, since the outbox may hold no more than a part of the transaction.
    index: int
    count: int | None
    # The primary key as a JSON object text, and its bare values; null for a table without one.
    key: str | None
    key_values: str | None
    # The other key, as a JSON object text, of a delete and an insert that were one update of the key: of a delete, the key that the row has
    # after it; of an insert, the one that it had before.
    moved: str | None = None
    # Images left out of the record because it would be too large, and where the whole record is then, if anywhere.
    omitted: tuple[str, ...] = ()
    stored_at: str | None = None
    stored: Stored | None = None


class Body(Protocol):
    """The data of a record whose images are still in the database: ``forwarder.listen.bodies.StoredBody``."""

    @property
    def size(self) -> int:
        """Bytes of it."""

    def parts(self) -> AsyncIterator[bytes]:
        """Read it, some megabytes at a time; what was read before is not kept. What somebody has taken out of the outbox stays a record, of
        another size: without its images, and with a fault that says so.

        Raises:
            Vanished: somebody has discarded the dead letter. Raised before the first part, unless it happened after that.
            Torn: somebody has taken the change out of the outbox after the first part.
            Unavailable: the database does not answer.
        """


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """The whole of a record that was too large: an object that has to be in S3 before the record that points to it is sent."""

    bucket: str
    key: str
    # Read when it is stored: what waits for that is not in memory.
    body: Body


class Record(msgspec.Struct, gc=False):
    """What a sink is given: bytes, the key that decides their shard and their order, and whence they came."""

    seq: int
    partition_key: str
    data: bytes
    # That of the stretch it belongs to.
    undelivered: set[int]
    # Its event's place in the transaction: who sets it aside has to say it again.
    index: int = 1
    count: int | None = 1
    attempts: int = 0
    # What travels in the same Kinesis record, after this one; the lanes alone change it.
    followers: Sequence[Record] = ()
    attachment: Attachment | None = None
    # What takes the place of the data until it is read, by the relay or by the sink.
    body: Body | None = None
    # The lane that it is at the head of, if it is.
    lane: Lane | None = None

    @property
    def size(self) -> int:
        """Bytes of data and partition key together, as Kinesis counts them; followers not included."""
        return (self.body.size if self.body else len(self.data)) + len(self.partition_key.encode())

    def set_aside(self, *, code: str, reason: str) -> SetAside:
        """Its change as one that the sink cannot be given; its followers are others."""
        return SetAside(
            seq=self.seq,
            partition_key=self.partition_key,
            size=self.size,
            code=code,
            reason=reason,
            index=self.index,
            count=self.count,
        )


class Stretch(msgspec.Struct, gc=False):
    """Changes of one table on one page: of its rows, or of the whole table, and then nothing of its rows is in between."""

    # The table's id in the registry.
    table: int
    # The seqs of those that are not delivered yet.
    undelivered: set[int]
    # Whether they concern the whole table, and have to keep their place among the changes of its rows.
    is_barrier: bool = False


class Lane(msgspec.Struct, gc=False):
    """The records of one partition key that are kept in order: ``forwarder.delivery.schedules.lanes``.

    It knows neither its head nor what knows it. Nothing goes round in a circle, so the garbage collector need not look.
    """

    # Where its records are predicted to go; None as long as nobody has looked.
    shard: str | None
    # What waits behind the head, in order; None as long as nothing ever did.
    behind: deque[Record] | None = None


class SetAside(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change that the sink cannot be given, or refuses for good: it goes to ``forwarder.dead_letter`` instead."""

    seq: int
    partition_key: str
    # Of the record, data and partition key together.
    size: int
    # What was wrong: `oversize`, or the sink's error code.
    code: str
    # In words; it may quote the record.
    reason: str
    # Its place in its transaction, as its record says it.
    index: int = 1
    count: int | None = 1
