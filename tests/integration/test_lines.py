# ruff: noqa: ASYNC240 - a file of a few bytes on a local disk
from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from forwarder.errors import Gone, Refused, Unavailable, Vanished
from forwarder.records.record import Record
from forwarder.sinks.file import file_sink
from forwarder.sinks.line_sink import LineSink
from forwarder.sinks.pipe import PipeSink


def records_of(*texts: str) -> Sequence[Record]:
    return [Record(seq, "key", text.encode(), set()) for seq, text in enumerate(texts, start=1)]


class Parts:
    """A body of some texts, after which it may fail."""

    is_too_large = False

    def __init__(self, *texts: str, error: Exception | None = None) -> None:
        self._texts = texts
        self._error = error

    @property
    def size(self) -> int:
        return sum(map(len, self._texts))

    async def parts(self) -> AsyncIterator[bytes]:
        for text in self._texts:
            yield text.encode()
        if self._error:
            raise self._error


def with_body(seq: int, body: Parts) -> Record:
    return Record(seq, "key", b"", set(), body=body)


@asynccontextmanager
async def open_sink(path: Path) -> AsyncIterator[LineSink]:
    """The sink as a leader has it."""
    async with file_sink(path) as sink:
        await sink.prepare()
        async with sink.opened():
            yield sink


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "changes.jsonl"


async def test_records_are_lines_in_their_order(path: Path) -> None:
    async with open_sink(path) as sink:
        assert await sink.publish(records_of("1", "ü")) == ()
        assert await sink.publish(records_of("3")) == ()

    assert path.read_text() == "1\nü\n3\n"


@pytest.mark.parametrize("kept", ["", "1\n2\n"])
@pytest.mark.parametrize("half", ["", "{", '{"half', '{"' + "x" * 200_000])
async def test_a_half_written_line_is_cut_off_at_start(path: Path, kept: str, half: str) -> None:
    path.write_text(kept + half)

    async with open_sink(path) as sink:
        await sink.publish(records_of("3"))

    assert path.read_text() == kept + "3\n"


@pytest.mark.parametrize("text", ["key = value", "# a list\n1", "x"])
async def test_a_file_that_is_not_ours_is_left_alone(path: Path, text: str) -> None:
    path.write_text(text)

    with pytest.raises(
        Refused, match="ends in the middle of a line that is no record; name another file, or end the line"
    ):
        async with open_sink(path):
            pass

    assert path.read_text() == text


async def test_records_are_on_disk_when_they_are_published(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(path.read_text()))

    async with open_sink(path) as sink:
        await sink.publish(records_of("1"))
        await sink.publish(records_of("2", "3"))

    # The directory comes first, since the file is new.
    assert synced == ["", "1\n", "1\n2\n3\n"]


async def test_a_write_that_fails_half_way_leaves_no_half_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def write_until_the_disk_is_full(descriptor: int, data: memoryview) -> int:
        if path.stat().st_size >= 5:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:5])

    async with open_sink(path) as sink:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write_until_the_disk_is_full)
            with pytest.raises(Unavailable, match="No space left on device"):
                await sink.publish(records_of("123", "456", "789"))
        assert path.read_text() == "123\n"

        await sink.publish(records_of("123", "456", "789"))

    assert path.read_text() == "123\n123\n456\n789\n"


async def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"cannot open .* for writing: No such file or directory"):
        async with open_sink(tmp_path / "missing" / "changes.jsonl"):
            pass


async def test_who_does_not_lead_leaves_the_half_line_alone_that_the_leader_is_writing(path: Path) -> None:
    path.write_text("1\n{")

    async with file_sink(path) as newcomer:
        await newcomer.prepare()

    assert path.read_text() == "1\n{"


async def test_who_does_not_lead_makes_no_file(path: Path) -> None:
    async with file_sink(path) as newcomer:
        await newcomer.prepare()

    assert not path.exists()


async def test_each_tenure_begins_at_a_whole_line(path: Path) -> None:
    async with file_sink(path) as sink:
        async with sink.opened():
            await sink.publish(records_of("1"))
        with path.open("a") as other_leader:
            other_leader.write('2\n{"half')
        async with sink.opened():
            await sink.publish(records_of("3"))

    assert path.read_text() == "1\n2\n3\n"


async def test_a_file_belongs_to_one_leader_and_is_free_when_its_tenure_ends(path: Path) -> None:
    async with file_sink(path) as frozen, file_sink(path) as newcomer:
        async with frozen.opened():
            with pytest.raises(Unavailable, match="is locked by another program that writes to it"):
                async with newcomer.opened():
                    pass
        async with newcomer.opened():
            await newcomer.publish(records_of("1"))

    assert path.read_text() == "1\n"


@pytest.mark.parametrize("to", [None, "changes.jsonl.1"])
async def test_a_file_that_is_renamed_or_deleted_is_made_anew(path: Path, to: str | None) -> None:
    async with open_sink(path) as sink:
        await sink.publish(records_of("1"))
        path.rename(path.with_name(to)) if to else path.unlink()
        await sink.publish(records_of("2", "3"))

    assert path.read_text() == "2\n3\n"
    assert not to or path.with_name(to).read_text() == "1\n"


async def test_what_is_written_into_a_file_while_it_is_deleted_is_written_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def delete_first(descriptor: int) -> None:
        path.unlink()
        monkeypatch.setattr(os, "fsync", fsync)

    async with open_sink(path) as sink:
        monkeypatch.setattr(os, "fsync", delete_first)
        await sink.publish(records_of("1", "2"))

    assert path.read_text() == "1\n2\n"


async def test_a_file_that_is_truncated_in_place_is_gone_on_with_at_its_beginning(path: Path) -> None:
    async with open_sink(path) as sink:
        await sink.publish(records_of("1"))
        os.truncate(path, 0)
        await sink.publish(records_of("2"))

    assert path.read_text() == "2\n"


async def test_a_directory_that_vanishes_is_waited_for(tmp_path: Path) -> None:
    directory = tmp_path / "mount"
    directory.mkdir()
    path = directory / "changes.jsonl"
    async with open_sink(path) as sink:
        await sink.publish(records_of("1"))
        directory.rename(tmp_path / "elsewhere")
        with pytest.raises(Unavailable, match=r"cannot write to .*: No such file or directory"):
            await sink.publish(records_of("2"))
        directory.mkdir()
        await sink.publish(records_of("2"))

    assert path.read_text() == "2\n"


async def test_a_file_keeps_no_descriptor_of_those_it_was(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    async with open_sink(path) as sink:
        for number in range(10):
            await sink.publish(records_of(str(number)))
            path.unlink()

    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_named_pipe_without_a_reader_takes_nothing(path: Path) -> None:
    os.mkfifo(path)
    async with open_sink(path) as sink:
        with pytest.raises(Unavailable, match=r"nobody reads the pipe .*; start its reader"):
            await sink.publish(records_of("1"))

        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        await sink.publish(records_of("2"))
        assert os.read(reading, 100) == b"2\n"
        os.close(reading)


async def test_the_next_reader_of_a_named_pipe_gets_what_the_one_before_has_left_in_it(path: Path) -> None:
    os.mkfifo(path)
    async with open_sink(path) as sink:
        first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        await sink.publish(records_of("1"))
        os.close(first)
        with pytest.raises(Unavailable, match="nobody reads the pipe"):
            await sink.publish(records_of("2"))

        second = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        await sink.publish(records_of("2"))
        assert os.read(second, 100) == b"1\n2\n"
        os.close(second)


async def test_a_named_pipe_is_left_alone_by_who_does_not_lead(path: Path) -> None:
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(path, os.O_WRONLY)
    async with file_sink(path) as newcomer:
        await newcomer.prepare()
    os.write(writing, b"1\n")

    assert os.read(reading, 100) == b"1\n"
    os.close(reading)
    os.close(writing)


async def test_a_file_is_not_writable_for_others(path: Path) -> None:
    async with open_sink(path):
        assert not stat.S_IMODE(path.stat().st_mode) & (stat.S_IWGRP | stat.S_IWOTH)


async def test_a_device_takes_records_although_it_has_no_disk() -> None:
    async with open_sink(Path("/dev/null")) as sink:
        assert await sink.publish(records_of("1")) == ()


async def test_a_pipe_that_nobody_reads_is_refused() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(Gone, match="closed by its reader"):
            await PipeSink(writing, name="standard output").publish(records_of("1"))
    finally:
        os.close(writing)


async def test_a_pipe_whose_reader_stalls_holds_nobody_up_and_gets_whole_lines_later() -> None:
    reading, writing = os.pipe()
    sink = PipeSink(writing, name="standard output")
    long = "x" * 1_000_000
    try:
        with anyio.move_on_after(0.1) as stop:
            await sink.publish(records_of(long))
        assert stop.cancelled_caught

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.publish, records_of(long, "2"))
            text = b""
            while not text.endswith(b"2\n"):
                await anyio.wait_readable(reading)
                text += os.read(reading, 1 << 16)
    finally:
        os.close(reading)
        os.close(writing)

    assert text.decode().split() == [long, long, "2"]


async def test_a_large_record_is_a_line_like_any_other(path: Path) -> None:
    async with open_sink(path) as sink:
        first, last = records_of("1", "3")
        assert await sink.publish([first, with_body(2, Parts("a", "b", "c")), last]) == ()

    assert path.read_text() == "1\nabc\n3\n"


async def test_a_large_record_that_cannot_be_read_leaves_no_half_line(path: Path) -> None:
    async with open_sink(path) as sink:
        [first] = records_of("1")
        with pytest.raises(Unavailable):
            await sink.publish([first, with_body(2, Parts("a", "b", error=Unavailable("no answer")))])
        assert path.read_text() == "1\n"


async def test_a_large_record_that_was_given_up_meanwhile_is_passed_over(path: Path) -> None:
    async with open_sink(path) as sink:
        first, last = records_of("1", "3")
        assert await sink.publish([first, with_body(2, Parts("a", error=Vanished("discarded"))), last]) == ()

    assert path.read_text() == "1\n3\n"


async def test_a_stalled_pipe_gets_the_rest_of_a_large_record_later() -> None:
    reading, writing = os.pipe()
    sink = PipeSink(writing, name="standard output")
    large = Parts(*["x" * 100_000] * 10)
    try:
        with anyio.move_on_after(0.1):
            await sink.publish([with_body(1, large)])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.publish, records_of("2"))
            text = b""
            while not text.endswith(b"2\n"):
                await anyio.wait_readable(reading)
                text += os.read(reading, 1 << 16)
    finally:
        os.close(reading)
        os.close(writing)

    assert text.decode().split() == [1_000_000 * "x", "2"]
