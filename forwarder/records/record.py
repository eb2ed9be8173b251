"""What a sink is given of a change: a record, what is attached to it, and the words for where it stands."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec


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
