"""Turns events into records that the sink takes. Pure.

An event whose record would be above the sink's limit is fitted by the sink's ``oversize`` policy:

1. ``dead-letter``: it is set aside.
2. ``drop-before``: its record leaves out the old row. If that is still too large, it is set aside.
3. ``s3``: its record has no rows and points to an object in S3 with the whole record (``Attachment``).
4. ``stop``: ``Oversized`` is raised, and delivery stops before it.

An event whose images are in the database still (``Event.stored``) makes a record with a ``Body`` in place of data, which is read later, part by
part. Its size is known before that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from msgspec.structs import replace

from forwarder.config.sink_url import DEAD_LETTER, Oversize
from forwarder.errors import Oversized
from forwarder.events import CapturedTable, Event, Sizes, Stored
from forwarder.records.formats.encoder import Encoder
from forwarder.records.guarded_encoding import NOT_ENCODED, encoded
from forwarder.records.origins import Origins
from forwarder.records.partition_key import Chooser
from forwarder.records.record import Attachment, Body, HeldBody, Record, SetAside, Stretch
from forwarder.records.stretches import by_table, whole

# A partition key has 256 characters at most, of up to four bytes.
MAX_KEY_BYTES = 1024

OVERSIZE = "oversize"

# From an event whose images are in the database to the data of its record, or to the body by which the data can be read.
EncodeStored = Callable[[Event], "bytes | Body"]


# From a table to the explicit hash key of its records; None: they have none.
HashKeyOf = Callable[[CapturedTable], "int | None"]


class Limits(Protocol):
    """What a sink takes; part of ``forwarder.delivery.sink.Sink``."""

    # Whether it takes records whose data has to be read yet.
    takes_bodies: bool

    @property
    def max_record_bytes(self) -> int:
        """It may change while the sink is in use."""


class Streams(Protocol):
    """The streams of a sink that has one for each table; part of ``forwarder.delivery.destination.Routing``."""

    def stream_of(self, table: CapturedTable) -> str:
        """The stream that the changes of this table go to."""

    def max_record_bytes_of(self, stream: str) -> int:
        """The most that one record may hold there now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The events of a page as records, in their order: first ``records``, then ``later``. Each belongs to one of the ``stretches``."""

    records: Sequence[Record]
    # In the order of their first records. A stretch of which no record is left is not there.
    stretches: Sequence[Stretch]
    # From the first record on that has a body, where the sink takes no bodies: it has to be read first. Whoever hands these records over takes
    # them out, so that what was read for one is not kept until the last of them has its turn.
    later: deque[Record] = field(default_factory=deque)
    # Those that are too large, or cannot be encoded.
    aside: Sequence[SetAside] = ()
    # How many events have no record in the sink's format.
    untold: int = 0

    @property
    def is_delivered(self) -> bool:
        """Whether no record is left to deliver."""
        return not any(stretch.undelivered for stretch in self.stretches)


class Packer:
    """Encodes events, chooses their partition keys, and fits records that are too large."""

    def __init__(
        self,
        limits: Limits,
        *,
        origins: Origins,
        encode: Encoder,
        encode_stored: EncodeStored,
        choose_key: Chooser,
        oversize: Oversize = DEAD_LETTER,
        has_barriers: bool = False,
        streams: Streams | None = None,
        hash_key_of: HashKeyOf | None = None,
    ) -> None:
        """``origins``: for the names of objects in S3, as in the ids of records. ``streams``: None if the sink has but one.

        ``hash_key_of``: None if partition keys decide about shards.

        ``has_barriers``: a TRUNCATE or gap is to be kept in its place among the changes of its table's rows (``stretches.py``).
        """
        self._encode_stored = encode_stored
        self._origins = origins
        self._limits = limits
        self._encode = encode
        self._choose_key = choose_key
        self._oversize = oversize
        self._streams = streams
        self._hash_key_of = hash_key_of
        self._cut = by_table if has_barriers else whole
        self._rows_read = count(1)
        # The sink whose dead letters the events are; None: they are in the outbox.
        self._letters_of: str | None = None

    def for_letters(self, sink: str) -> Packer:
        """A packer for the dead letters of this sink. Under the policy ``stop`` one that is still too large is set aside again."""
        packer = copy(self)
        packer._letters_of = sink
        if self._oversize.kind == "stop":
            packer._oversize = DEAD_LETTER
        return packer

    def pack(self, events: Sequence[Event], *, any_stored: bool = False) -> Packed:
        """The events as records. ``any_stored``: the images of some may be in the database.

        Raises:
            Oversized: an event is too large, and the policy is to stop; it is the first such one.
        """
        seqs = self._numbers_of(events)
        stretches, undelivered = self._cut(events, seqs)
        data, failed = encoded(self._encode, events)
        places = [event.index for event in events], [event.count for event in events]
        records = list(map(Record, seqs, self._choose_key(events), data, undelivered, *places))
        if events and events[0].reading:
            for event, record in zip(events, records, strict=True):
                record.read = event
        if self._streams or self._hash_key_of:
            self._place(events, records)
        if any_stored:
            for event, record in zip(events, records, strict=True):
                if event.stored:
                    self._fill(record, event)
        elif all(data) and max(map(len, data), default=0) <= self._limits.max_record_bytes - MAX_KEY_BYTES:
            return Packed(records=records, stretches=stretches)
        return self._fit(events, records, stretches, failed)

    def _numbers_of(self, events: Sequence[Event]) -> Sequence[int]:
        """What the records are known by until they are delivered: the seqs of changes; of rows that were read, which share one, numbers below 0."""
        if events and events[0].reading:
            return [-next(self._rows_read) for _ in events]
        return [event.seq for event in events]

    def _place(self, events: Sequence[Event], records: Sequence[Record]) -> None:
        """Say which stream, and which part of it, the records are for."""
        for event, record in zip(events, records, strict=True):
            if self._streams:
                record.stream = self._streams.stream_of(event.table)
            if self._hash_key_of:
                record.hash_key = self._hash_key_of(event.table)

    def _fit(
        self,
        events: Sequence[Event],
        records: Sequence[Record],
        stretches: Sequence[Stretch],
        failed: Mapping[int, str],
    ) -> Packed:
        """Keep the records that there are, and that fit or can be made to. ``failed``: by place, why an event could not be encoded."""
        fitting: list[Record] = []
        aside: list[SetAside] = []
        untold = 0
        for place, (event, record) in enumerate(zip(events, records, strict=True)):
            if (reason := failed.get(place)) and not record.body:
                record.undelivered.remove(record.seq)
                aside.append(record.set_aside(code=NOT_ENCODED, reason=reason))
                continue
            if not record.data and not record.body:
                record.undelivered.remove(record.seq)
                untold += 1
                continue
            fitted = record if self._fits(record) else self._reduce(event, record)
            if self._fits(fitted):
                fitting.append(fitted)
            else:
                fitted.undelivered.remove(fitted.seq)
                aside.append(fitted.set_aside(code=OVERSIZE, reason=self._excess(fitted)))
        stretches = [stretch for stretch in stretches if stretch.undelivered]
        now = self._ready(fitting)
        return Packed(
            records=fitting[:now],
            later=deque(fitting[now:]),
            stretches=stretches,
            aside=aside,
            untold=untold,
        )

    def _ready(self, records: Sequence[Record]) -> int:
        """How many of the records come before the first that has a body, if the sink takes no bodies."""
        if self._limits.takes_bodies:
            return len(records)
        return next((number for number, record in enumerate(records) if record.body), len(records))

    def _fits(self, record: Record) -> bool:
        return record.size <= self._max_bytes(record) and not (record.body and record.body.is_too_large)

    def _max_bytes(self, record: Record) -> int:
        return self._streams.max_record_bytes_of(record.stream) if self._streams else self._limits.max_record_bytes

    def _reduce(self, event: Event, record: Record) -> Record:
        """The record made smaller as the policy says, if it can."""
        if self._oversize.kind == "stop":
            raise Oversized(
                f"change {event.seq} of {event.table.qualified_name} {self._excess(record)}; raise the stream's"
                " limit (aws kinesis update-max-record-size), or choose another oversize= in the sink's URL",
                seq=event.seq,
            )
        if self._oversize.kind == "drop-before":
            return self._again(record, without_before(event))
        if (
            self._oversize.kind == "s3"
            and (body := record.body or self._left_behind(event, record))
            and not body.is_too_large
        ):
            key = f"{self._oversize.prefix}{event.table.qualified_name}/{self._origins.id_of(event)}.json"
            attachment = Attachment(self._oversize.bucket, key, body)
            stored_at = f"s3://{self._oversize.bucket}/{key}"
            pointer = self._again(
                record,
                replace(
                    event,
                    before=None,
                    after=None,
                    stored=None,
                    omitted=("before", "after", *event.omitted),
                    stored_at=stored_at,
                ),
            )
            pointer.attachment = attachment
            return pointer
        return record

    def _left_behind(self, event: Event, record: Record) -> Body | None:
        """A body for a record that is in memory whole: its images can be read from the database again. None if it has no images.

        Not so those of a row that a load has read, which is in no outbox: that one stays in memory.
        """
        if event.reading:
            return HeldBody(record.data)
        sizes = Sizes(len(record.data), len(record.data))
        stored = Stored(_bytes(event.before), _bytes(event.after), self._letters_of, sizes)
        data = self._encode_stored(replace(event, before=None, after=None, stored=stored))
        return None if isinstance(data, bytes) else data

    def _again(self, record: Record, event: Event) -> Record:
        """The record anew, after its event was changed by the policy."""
        again = Record(record.seq, record.partition_key, b"", record.undelivered, record.index, record.count)
        again.stream, again.hash_key, again.read = record.stream, record.hash_key, record.read
        self._fill(again, event)
        return again

    def _fill(self, record: Record, event: Event) -> None:
        data = self._encode_stored(event) if event.stored else self._encode([event])[0]
        if isinstance(data, bytes):
            record.data = data
        else:
            record.data, record.body = b"", data

    def _excess(self, record: Record) -> str:
        if record.body and record.body.is_too_large:
            return f"has rows of {record.body.size} bytes, which is too much for a format that takes them apart or compresses them"
        return f"makes a record of {record.size} bytes, and the stream takes {self._max_bytes(record)}"


def without_before(event: Event) -> Event:
    """The event without its old row, as the policy ``drop-before`` sends it."""
    stored = event.stored and replace(event.stored, before_bytes=None)
    return replace(event, before=None, stored=stored, omitted=("before", *event.omitted))


def _bytes(image: str | None) -> int | None:
    return None if image is None else len(image.encode())
