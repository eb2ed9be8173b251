"""Records of many streams, each stream with a schedule of its own. Pure; time is an argument.

A request holds records of one stream, and the streams take turns. A stream may be barred: it is missing, say. Then its records wait, and those
of other streams do not. They must not wait for ever, since they would fill the memory and hold up the position. So a stream has a standing:

    open ──barred for STRAND_SECONDS, or while memory is full──► parked ──hold──► held ──release──► open
                                                                   ▲                │
                                                                   └──barred, or────┘
                                                                      memory is full

    open ──it is barred, and a record comes that may be too large for it──► parked
    open ──a renamed table comes to it──► held

1. **open**: changes go into the stream's schedule.
2. **parked**: changes are stranded: they become dead letters with the code ``no-stream``. So do those that are in the schedule, as long as
   the stream is barred. ``forwarder.listen.revival`` sends the letters again, in order of seq, when the stream is barred no more.
3. **held**: the last letters are being sent, or a renamed table has earlier changes elsewhere. Changes wait here, in memory.

Letters that are sent again go into the schedule in every standing. So of each key all letters are in the stream before any later change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from heapq import nlargest
from itertools import chain
from typing import Protocol

from forwarder.delivery.buffer import Schedule
from forwarder.records.record import Record, SetAside

# The code of dead letters whose stream cannot be written to.
NO_STREAM = "no-stream"
# How long the records of a barred stream wait in memory. The position stands before them meanwhile.
STRAND_SECONDS = 30.0
# How often it is looked whether a stream with records in memory is still barred.
LOOK_SECONDS = 1.0
# What every stream takes in one record. How much more a barred one takes is not known before it is there.
CERTAIN_BYTES = 1 << 20

# More than any schedule has.
_ALL = 1 << 40


class Streams(Protocol):
    """``forwarder.sinks.kinesis.routing.RoutedSink``."""

    def objection(self, stream: str) -> str | None:
        """Why this stream is barred; None: it is not."""

    def new_schedule(self, stream: str) -> Schedule:
        """An empty schedule for its records."""

    def max_bytes_of(self, stream: str) -> int:
        """The most that one request to it may carry now."""


class Standing(Enum):
    """What becomes of changes that arrive for a stream."""

    OPEN = auto()
    PARKED = auto()
    HELD = auto()


class _Stream:
    __slots__ = ("barred_since", "held", "name", "schedule", "standing")

    def __init__(self, name: str, schedule: Schedule) -> None:
        self.name = name
        self.schedule = schedule
        self.standing = Standing.OPEN
        # The changes that have come since it is parked or held.
        self.held: deque[Record] = deque()
        # Since when it is barred, as far as anybody has looked; None: it is not.
        self.barred_since: float | None = None

    @property
    def has_records(self) -> bool:
        return bool(self.schedule.records or self.held)

    def is_to_be_parked(self, *, is_full: bool, now: float) -> bool:
        """Whether its changes must not wait in memory any longer."""
        if self.standing is Standing.HELD:
            return self.barred_since is not None or (is_full and bool(self.held))
        if self.standing is Standing.PARKED or self.barred_since is None or not self.has_records:
            return False
        return is_full or now - self.barred_since >= STRAND_SECONDS


class Routed:
    """The records in memory, by the streams that they are for."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._named: dict[str, _Stream] = {}
        # All streams, the one in front whose turn it is.
        self._turn: deque[_Stream] = deque()
        # When to look again at barred streams that have records; None: there are none.
        self._look_at: float | None = None
        self.records = 0
        self.bytes = 0
        # How many letters were being sent again, and have become letters once more.
        self.letters_stranded = 0

    @property
    def ready(self) -> int:
        """How many records may be taken now."""
        return sum([stream.schedule.ready for stream in self._turn if stream.barred_since is None])

    def hottest(self, count: int) -> Sequence[int]:
        """How many records the longest lanes hold, the longest first."""
        return nlargest(count, chain.from_iterable(stream.schedule.hottest(count) for stream in self._turn))

    def extend(self, records: Sequence[Record]) -> None:
        """Append records; changes of a stream that is not open wait apart."""
        for stream, group in self._by_stream(records):
            self.records += len(group)
            self.bytes += sum([len(record.data) for record in group])
            if stream.standing is Standing.OPEN:
                stream.schedule.extend(group)
                if self._may_be_refused(stream, group):
                    stream.standing = Standing.PARKED
                continue
            stream.schedule.extend([record for record in group if record.was_set_aside])
            stream.held.extend([record for record in group if not record.was_set_aside])

    def take(self, *, max_records: int, max_bytes: int, now: float) -> Sequence[Record]:
        """The records of the next request, all of one stream; none if ``next_due``, or what is given back, must be waited for."""
        self._look(now)
        for _ in range(len(self._turn)):
            stream = self._turn[0]
            self._turn.rotate(-1)
            if stream.barred_since is not None or not stream.schedule.records:
                continue
            limit = min(max_bytes, self._streams.max_bytes_of(stream.name))
            if records := stream.schedule.take(max_records=max_records, max_bytes=limit, now=now):
                return records
        return ()

    def take_unstored(self) -> Sequence[Record]:
        """Records that may not be sent before their attachments are stored. They are given back like all that are taken."""
        return [record for stream in self._turn for record in stream.schedule.take_unstored()]

    def take_stranded(self, *, is_full: bool, now: float) -> Sequence[SetAside]:
        """Give up the records that are to be set aside since their stream is barred, or was until its letters are sent.

        They are forgotten, and their seqs removed from their ``undelivered`` sets. ``is_full``: no room is left in memory.
        """
        self._look(now)
        stranded: list[SetAside] = []
        for stream in self._turn:
            if stream.is_to_be_parked(is_full=is_full, now=now):
                stream.standing = Standing.PARKED
            if stream.standing is Standing.PARKED:
                stranded += self._strand(stream, now)
        return stranded

    def next_due(self) -> float | None:
        """When ``take`` may have more, even if nothing is given back; None: time alone changes nothing."""
        dues = [stream.schedule.next_due() for stream in self._turn if stream.barred_since is None]
        return min((due for due in (*dues, self._look_at) if due is not None), default=None)

    def settle(self, records: Sequence[Record]) -> None:
        """Forget records that are delivered, and remove their seqs from their ``undelivered`` sets."""
        for stream, group in self._by_stream(records):
            self._settle(stream, group)

    def put_back(self, records: Sequence[Record]) -> None:
        """Have records offered again before what waits behind them."""
        for stream, group in self._by_stream(records):
            stream.schedule.put_back(group)

    def park(self, name: str) -> None:
        """Strand the changes of this stream from the start, since there are letters that have to be sent before."""
        self._stream(name).standing = Standing.PARKED

    def hold(self, name: str) -> None:
        """Keep the changes that come for a parked stream, until ``release``."""
        self._stream(name).standing = Standing.HELD

    def await_earlier(self, name: str) -> None:
        """Keep changes from this stream, from now on and until ``release``, since a table with earlier changes for another one comes to it.

        A stream that is held is parked: whoever is about to release it does not know of this table.
        """
        stream = self._stream(name)
        if stream.standing is Standing.OPEN:
            stream.standing = Standing.HELD
        else:
            stream.standing = Standing.PARKED

    def park_if_held(self, name: str) -> None:
        """Strand what is held for this stream, since some of it may be of a table that goes to another one now."""
        stream = self._stream(name)
        if stream.standing is Standing.HELD:
            stream.standing = Standing.PARKED

    def release(self, name: str) -> None:
        """Open a held stream whose letters are sent. One that was parked meanwhile may have new ones."""
        stream = self._stream(name)
        assert stream.standing is Standing.HELD, f"{name} is released, and is not held"
        stream.standing = Standing.OPEN
        stream.schedule.extend(list(stream.held))
        stream.held.clear()

    def is_held(self, name: str) -> bool:
        """Whether ``hold`` is in force: it ends when the stream is barred again, or memory is full."""
        return self._stream(name).standing is Standing.HELD

    def is_open(self, name: str) -> bool:
        """Whether changes that come for this stream go into it."""
        return self._stream(name).standing is Standing.OPEN

    @property
    def strands(self) -> bool:
        """Whether changes of parked streams are still to be given up by ``take_stranded``."""
        return any(stream.held for stream in self._turn if stream.standing is Standing.PARKED)

    @property
    def revivable(self) -> Sequence[str]:
        """The streams that are not open, and not barred any more."""
        return [
            stream.name
            for stream in self._turn
            if stream.standing is not Standing.OPEN and self._streams.objection(stream.name) is None
        ]

    def _stream(self, name: str) -> _Stream:
        stream = self._named.get(name)
        if stream is None:
            stream = self._named[name] = _Stream(name, self._streams.new_schedule(name))
            self._turn.append(stream)
        return stream

    def _by_stream(self, records: Iterable[Record]) -> Iterable[tuple[_Stream, list[Record]]]:
        groups: dict[str, list[Record]] = {}
        for record in records:
            groups.setdefault(record.stream, []).append(record)
        return [(self._stream(name), group) for name, group in groups.items()]

    def _may_be_refused(self, stream: _Stream, records: Iterable[Record]) -> bool:
        """Whether the stream is barred, and one of the records may be too large for it. Letters are made into records anew, by the limit of then."""
        is_large = any(record.size > CERTAIN_BYTES for record in records if len(record.data) > CERTAIN_BYTES // 2)
        return is_large and self._streams.objection(stream.name) is not None

    def _look(self, now: float) -> None:
        """Note which streams are barred now."""
        self._look_at = None
        for stream in self._turn:
            if self._streams.objection(stream.name) is None:
                stream.barred_since = None
                continue
            if stream.barred_since is None:
                stream.barred_since = now
            if stream.has_records:
                self._look_at = now + LOOK_SECONDS

    def _strand(self, stream: _Stream, now: float) -> Sequence[SetAside]:
        reason = self._streams.objection(stream.name) or f"stream {stream.name}: earlier changes are being sent first"
        stranded: list[SetAside] = []
        while stream.barred_since is not None:
            heads = stream.schedule.take(max_records=_ALL, max_bytes=_ALL, now=now)
            if not heads:
                break
            together = list(chain.from_iterable((head, *head.followers) for head in heads))
            self.letters_stranded += sum([record.was_set_aside for record in together])
            stranded += [record.set_aside(code=NO_STREAM, reason=reason) for record in together]
            self._settle(stream, heads)
        for record in stream.held:
            record.undelivered.remove(record.seq)
            stranded.append(record.set_aside(code=NO_STREAM, reason=reason))
            self.records -= 1
            self.bytes -= len(record.data)
        stream.held.clear()
        return stranded

    def _settle(self, stream: _Stream, records: Sequence[Record]) -> None:
        schedule = stream.schedule
        before_records, before_bytes = schedule.records, schedule.bytes
        schedule.settle(records)
        self.records -= before_records - schedule.records
        self.bytes -= before_bytes - schedule.bytes
