"""What ``forwarder tail`` does with the records that it reads: decodes and counts them, and writes what is to be shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from forwarder.cli.interruptible import interruptible
from forwarder.cli.tail_lines import line
from forwarder.cli.tail_seen import Seen
from forwarder.cli.tail_selection import Selection
from forwarder.cli.terminal_text import safe
from forwarder.consumer import Change, Deduplicator, Unreadable, decode
from forwarder.consumer.payloads import payloads
from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.errors import Refused

# How many records that cannot be read are told of. The others are counted.
_WARNINGS = 20
# So much is written at once, at most: a small file may hold large records.
_PIECE_LINES, _PIECE_BYTES = 1000, 1 << 20
# Line breaks of JSON stand between tokens, where a space means the same.
_ONE_LINE = str.maketrans("\r\n", "  ")


@dataclass(slots=True)
class Tally:
    """How much was read."""

    started_at: float = field(default_factory=time.monotonic)
    # None of a file.
    shards: int | None = None
    records: int = 0
    bytes: int = 0
    changes: int = 0
    repeats: int = 0
    shown: int = 0
    unreadable: int = 0

    def summary(self) -> str:
        """The same in words."""
        seconds = time.monotonic() - self.started_at
        of_shards = "" if self.shards is None else f" of {_counted(self.shards, 'shard')}"
        unreadable = f", {self.unreadable:,} unreadable" if self.unreadable else ""
        return (
            f"{_counted(self.records, 'record')} ({_counted(self.bytes, 'byte')}){of_shards} in {seconds:.1f} s:"
            f" {_counted(self.changes, 'change')}, {_counted(self.repeats, 'repeat')}{unreadable}, {self.shown:,} shown"
        )


class Output:
    """Writes the changes of a selection to standard output, a line each: for people, or with ``as_json`` each record as it is."""

    def __init__(self, selection: Selection, *, as_json: bool, count: int | None, stop: Callable[[], None]) -> None:
        """``stop`` is called when ``count`` changes are shown, or when nobody reads them any more."""
        self.tally = Tally()
        self.is_broken = False
        self._warnings = 0
        self._selection = selection
        self._as_json = as_json
        self._count = count
        self._stop = stop
        self._console = Console(highlight=False, markup=False)
        self._repeats = Deduplicator()
        self._seen = Seen(tables=bool(selection.tables), keys=selection.key is not None)

    def take(self, records: Sequence[StoredRecord]) -> None:
        """Count these records, and show what there is to be shown."""
        if self.is_broken or self._is_full():
            return
        try:
            self._write(text for record in records for text in self._lines(record))
        except (BrokenPipeError, KeyboardInterrupt):
            self.is_broken = True
        except OSError as error:
            raise Refused(f"cannot write to standard output: {error.strerror}") from error
        if self.is_broken or self._is_full():
            self._stop()

    def summary(self) -> str:
        """How much was read; and if nothing of it was shown, what could have been."""
        hint = self._seen.hint() if self.tally.changes and not self.tally.shown else ""
        return f"{self.tally.summary()}; {hint}" if hint else self.tally.summary()

    def _is_full(self) -> bool:
        return self._count is not None and self.tally.shown >= self._count

    def _lines(self, record: StoredRecord) -> Iterator[str | Text]:
        if self._is_full():
            return
        self.tally.records += 1
        self.tally.bytes += len(record.data)
        for payload in payloads(record.data, lambda error: self._warn(error, record)):
            for change in self._changes(payload.data, record):
                yield from self._show(change, record, payload.partition_key or record.partition_key)

    def _changes(self, data: bytes, record: StoredRecord) -> Sequence[Change]:
        try:
            return decode(data)
        except Unreadable as error:
            self._warn(error, record)
            return error.changes

    def _warn(self, error: Unreadable, record: StoredRecord) -> None:
        self.tally.unreadable += error.count
        self._warnings += 1
        if self._warnings <= _WARNINGS:
            place = f" {record.shard} {record.sequence_number}" if record.shard else ""
            sys.stderr.write(f"forwarder: warning: record{place}: {error}\n")

    def _show(self, change: Change, record: StoredRecord, partition_key: str | None) -> Iterator[str | Text]:
        if self._is_full():
            return
        is_repeat = self._repeats.is_repeat(change)
        self._repeats.handled(change)
        self.tally.changes += 1
        self.tally.repeats += is_repeat
        self._seen.add(change, partition_key)
        if self._selection.takes(change, partition_key=partition_key):
            self.tally.shown += 1
            yield change.raw.translate(_ONE_LINE) if self._as_json else line(change, record, is_repeat=is_repeat)

    def _write(self, lines: Iterator[str | Text]) -> None:
        pending: list[bytes] = []
        for shown in lines:
            pending.append(self._encoded(shown))
            if len(pending[-1]) > _PIECE_BYTES or len(pending) >= _PIECE_LINES:
                self._flush(pending)
                pending.clear()
        self._flush(pending)

    def _flush(self, lines: Sequence[bytes]) -> None:
        # Python has none if it was closed at the start.
        if lines and sys.stdout:
            with interruptible():
                sys.stdout.buffer.write(b"".join(lines))
                sys.stdout.buffer.flush()

    def _encoded(self, shown: str | Text) -> bytes:
        if isinstance(shown, str):
            return f"{safe(shown) if self._console.is_terminal else shown}\n".encode()
        # Where standard output does not take UTF-8, it gets an escape for what it does not take.
        return self._printed(shown).encode(sys.stdout.encoding, "backslashreplace")

    def _printed(self, shown: Text) -> str:
        if not self._console.is_terminal:
            # To have it printed without colours would take three times as long as all the rest.
            return f"{shown.plain}\n"
        shown.truncate(self._console.width, overflow="ellipsis")
        with self._console.capture() as capture:
            self._console.print(shown, soft_wrap=True)
        return capture.get()


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
