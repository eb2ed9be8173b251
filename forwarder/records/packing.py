"""Turns events into records that the sink takes, and says what is to become of those that are too large for it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol

from msgspec.structs import replace

from forwarder.config.sink_url import DEAD_LETTER, Oversize
from forwarder.errors import Oversized
from forwarder.events import Event, Stored
from forwarder.records.formats.native import Encoder
from forwarder.records.origins import Origins
from forwarder.records.partition_key import Chooser
from forwarder.records.record import Attachment, Body, Record, SetAside, Stretch
from forwarder.records.stretches import by_table, whole

# 256 characters of up to four bytes.
MAX_KEY_BYTES = 1024

OVERSIZE = "oversize"

_INDEX = attrgetter("index")
_COUNT = attrgetter("count")

# From an event whose images are in the database to the data of its record, or to what that is read by.
EncodeStored = Callable[[Event], "bytes | Body"]


class Limits(Protocol):
    """What a sink takes: ``forwarder.delivery.publisher.Sink``. The limit may change while the sink is in use."""

    takes_bodies: bool

    @property
    def max_record_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The records of some events, in their order, and what cannot be one. Each record belongs to one of the ``stretches``.

    ``later`` are records as well, which come after the others: the first has a body that must be read before the sink can take it. Whoever
    hands them over takes them out, so that none is kept, with what was read for it, until the last of them has its turn.
    """

    records: Sequence[Record]
    # In the order of their first records; without those of which no record is left.
    stretches: Sequence[Stretch]
    later: deque[Record] = field(default_factory=deque)
    aside: Sequence[SetAside] = ()

    @property
    def is_delivered(self) -> bool:
        """Whether no record is left to deliver."""
        return not any(stretch.undelivered for stretch in self.stretches)


class Packer:
    """Encodes events, chooses their keys, and fits what is too large by the sink's policy."""

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
    ) -> None:
        """``origins``: the name of its origin and the seq tell a change from every other.

        ``has_barriers``: what concerns a whole table is to be kept in its place among the changes of its rows.
        """
        self._encode_stored = encode_stored
        self._origins = origins
        self._limits = limits
        self._encode = encode
        self._choose_key = choose_key
        self._oversize = oversize
        self._cut = by_table if has_barriers else whole
        # The sink whose dead letters the events are; None: they are in the outbox.
        self._letters_of: str | None = None

    def for_letters(self, sink: str) -> Packer:
        """The same, for what this sink set aside before: where it is too large still, it is set aside again, and nothing stops before it."""
        packer = copy(self)
        packer._letters_of = sink
        if self._oversize.kind == "stop":
            packer._oversize = DEAD_LETTER
        return packer

    def pack(self, events: Sequence[Event], *, any_stored: bool = False) -> Packed:
        """The events as records. ``any_stored``: some may have their images in the database.

        Raises:
            Oversized: the first that is too large, where the policy is to stop.
        """
        seqs = [event.seq for event in events]
        stretches, undelivered = self._cut(events, seqs)
        encoded = self._encode(events)
        places = map(_INDEX, events), map(_COUNT, events)
        records = list(map(Record, seqs, self._choose_key(events), encoded, undelivered, *places))
        if any_stored:
            for event, record in zip(events, records, strict=True):
                if event.stored:
                    self._fill(record, event)
        elif max(map(len, encoded), default=0) <= self._limits.max_record_bytes - MAX_KEY_BYTES:
            return Packed(records=records, stretches=stretches)
        return self._fit(events, records, stretches)

    def _fit(self, events: Sequence[Event], records: Sequence[Record], stretches: Sequence[Stretch]) -> Packed:
        fitting: list[Record] = []
        aside: list[SetAside] = []
        for event, record in zip(events, records, strict=True):
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
        )

    def _ready(self, records: Sequence[Record]) -> int:
        """How many the sink can take before a body has to be read."""
        if self._limits.takes_bodies:
            return len(records)
        return next((number for number, record in enumerate(records) if record.body), len(records))

    def _fits(self, record: Record) -> bool:
        return record.size <= self._limits.max_record_bytes

    def _reduce(self, event: Event, record: Record) -> Record:
        """The record made smaller, if the policy knows how to."""
        if self._oversize.kind == "stop":
            raise Oversized(
                f"change {event.seq} of {event.table.qualified_name} {self._excess(record)}; raise the stream's"
                " limit (aws kinesis update-max-record-size), or choose another oversize= in the sink's URL",
                seq=event.seq,
            )
        if self._oversize.kind == "drop-before":
            stored = event.stored and replace(event.stored, before_bytes=None)
            return self._again(record, replace(event, before=None, stored=stored, omitted=("before",)))
        if self._oversize.kind == "s3" and (body := record.body or self._left_behind(event)):
            origin = self._origins.name_of(event.seq)
            key = f"{self._oversize.prefix}{event.table.qualified_name}/{origin}/{event.seq:016x}.json"
            attachment = Attachment(self._oversize.bucket, key, body)
            stored_at = f"s3://{self._oversize.bucket}/{key}"
            pointer = self._again(
                record,
                replace(event, before=None, after=None, stored=None, omitted=("before", "after"), stored_at=stored_at),
            )
            pointer.attachment = attachment
            return pointer
        return record

    def _left_behind(self, event: Event) -> Body | None:
        """What the record of an event can be read by later, although its images are here; None if the record has none."""
        stored = Stored(_bytes(event.before), _bytes(event.after), self._letters_of)
        data = self._encode_stored(replace(event, before=None, after=None, stored=stored))
        return None if isinstance(data, bytes) else data

    def _again(self, record: Record, event: Event) -> Record:
        """The record of an event that was changed for this sink alone."""
        again = Record(record.seq, record.partition_key, b"", record.undelivered, record.index, record.count)
        self._fill(again, event)
        return again

    def _fill(self, record: Record, event: Event) -> None:
        data = self._encode_stored(event) if event.stored else self._encode([event])[0]
        if isinstance(data, bytes):
            record.data = data
        else:
            record.data, record.body = b"", data

    def _excess(self, record: Record) -> str:
        return f"makes a record of {record.size} bytes, and the stream takes {self._limits.max_record_bytes}"


def _bytes(image: str | None) -> int | None:
    return None if image is None else len(image.encode())
