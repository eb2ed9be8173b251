"""What a sink is given of a change, a ``Record``; and the stretch of its page that it belongs to, a ``Stretch``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Protocol

import msgspec

from forwarder.errors import Torn
from forwarder.events import Event


class Body(Protocol):
    """The data of a record whose images are still in the database: ``forwarder.listen.bodies.StoredBody``."""

    @property
    def size(self) -> int:
        """Bytes of it."""

    @property
    def is_too_large(self) -> bool:
        """Whether it would have to be in memory whole, and is too large for that. Then it cannot be read."""

    def parts(self) -> AsyncIterator[bytes]:
        """Read it from the database, some megabytes at a time; no part is kept.

        If somebody has taken the change out of the outbox before the first part, the parts are a shorter record without images, with a fault
        that says so.

        Raises:
            Vanished: somebody has discarded the dead letter.
            Torn: somebody has taken the change out of the outbox after the first part.
            Unavailable: the database does not answer.
        """


class HeldBody(msgspec.Struct, frozen=True, gc=False):
    """Data that is in memory, where a ``Body`` is asked for."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes of it."""
        return len(self.data)

    @property
    def is_too_large(self) -> bool:
        """Never."""
        return False

    async def parts(self) -> AsyncIterator[bytes]:
        """All of it, as one part."""
        yield self.data


class Attachment(msgspec.Struct, frozen=True, gc=False):
    """An object that has to be in S3 before the record that points to it is sent: the whole of a record that was too large."""

    bucket: str
    key: str
    # It is read only when it is stored, so an attachment that waits takes no memory.
    body: Body


class Record(msgspec.Struct, gc=False):
    """One change, or one row that was read, as a sink is given it."""

    # Of a row that was read: a number below 0, of its own.
    seq: int
    # Decides its shard, and with which other records it is kept in order.
    partition_key: str
    data: bytes
    # The `undelivered` of its stretch: its seq is taken out when it is delivered.
    undelivered: set[int]
    # Its event's place in the transaction, for the dead letter that it may become.
    index: int = 1
    count: int | None = 1
    attempts: int = 0
    # Records that travel in the same Kinesis record, after this one. Only the lanes change this.
    followers: Sequence[Record] = ()
    attachment: Attachment | None = None
    # In place of the data, until the relay or the sink reads it.
    body: Body | None = None
    # Whether it is a dead letter that is sent again.
    was_set_aside: bool = False
    # While it is at the head of its lane: the records behind it, in order; None until there was one. No deque: most lanes are short, and a deque
    # takes 760 bytes and 0.6 µs to make and free. The first record of a list is taken out in 2 µs where 20,000 are behind it.
    behind: list[Record] | None = None
    # The stream it is for, where the sink has one for each table.
    stream: str = ""
    # What decides its shard in place of the partition key (`ExplicitHashKey`), where the sink's `shards` name its table.
    hash_key: int | None = None
    # Of a row that a load has read: the event. No outbox has it, so the dead letter that it may become is made of this.
    read: Event | None = None

    @property
    def size(self) -> int:
        """Bytes of data and partition key together, as Kinesis counts them. Followers are not included."""
        return (self.body.size if self.body else len(self.data)) + len(self.partition_key.encode())

    @property
    def shard_key(self) -> str | int:
        """What decides its shard: its partition key, or an explicit hash key."""
        return self.partition_key if self.hash_key is None else self.hash_key

    def set_aside(self, *, code: str, reason: str) -> SetAside:
        """Its change as one that the sink cannot be given. Followers are other changes, and not included."""
        return SetAside(
            seq=self.seq,
            partition_key=self.partition_key,
            size=self.size,
            code=code,
            reason=reason,
            index=self.index,
            count=self.count,
            read=self.read,
        )


class Stretch(msgspec.Struct, gc=False):
    """Changes of one table on one page: either of its rows, or of the whole table (``is_barrier``). See ``stretches.py``."""

    # The table's id in the registry.
    table: int
    # The seqs of its changes that are not delivered yet.
    undelivered: set[int]
    # True of what keeps its place among the changes of the table's rows: TRUNCATE, gap, schema, and the marks of some loads (`stretches.py`).
    is_barrier: bool = False


class SetAside(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change that the sink cannot be given, or refuses for good: it goes to ``forwarder.dead_letter`` instead."""

    seq: int
    partition_key: str
    # Of the record, data and partition key together.
    size: int
    # What was wrong: `oversize`, or the sink's error code.
    code: str
    # The same in words. It may quote the record.
    reason: str
    # Its place in its transaction, as in its record.
    index: int = 1
    count: int | None = 1
    # The row, if a load has read it.
    read: Event | None = None

    @property
    def is_mark(self) -> bool:
        """Whether it is the beginning or end of a load."""
        return self.read is not None and self.read.op == b"L"


async def whole(body: Body) -> bytes:
    """All of a body. If its change is taken out of the outbox while it is read, what there is instead.

    Raises:
        Vanished: it is that of a dead letter, which somebody has discarded.
        Unavailable: the database does not answer.
    """
    while True:
        with suppress(Torn):
            return b"".join([part async for part in body.parts()])


def data_bytes(records: Sequence[Record]) -> int:
    """How many bytes of data the records have, followers included."""
    followers = chain.from_iterable([record.followers for record in records if record.followers])
    return sum([len(record.data) for record in records]) + sum([len(record.data) for record in followers])
