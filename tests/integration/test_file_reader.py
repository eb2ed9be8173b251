"""A file is read to its end, or followed: as it grows, is renamed, and is truncated."""
# ruff: noqa: ASYNC240 - files of a few bytes on a local disk

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from forwarder.consumer.reading.file_reader import read_file
from forwarder.errors import Refused
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forwarder.consumer.reading.file_reader.LOOK_AGAIN_SECONDS", 0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "changes.jsonl"
    path.write_bytes(b"one\ntwo\n")
    return path


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


async def read_all(path: Path) -> list[bytes]:
    return [record.data async for records in read_file(str(path)) for record in records]


class Followed:
    """What was read of a file so far."""

    def __init__(self) -> None:
        self.records: list[bytes] = []

    async def run(self, path: Path, *, at_end: bool) -> None:
        async for records in read_file(str(path), at_end=at_end, follow=True):
            self.records += [record.data for record in records]

    async def has(self, *records: bytes) -> None:
        async def read() -> bool:
            return self.records == list(records)

        await eventually(read)


@asynccontextmanager
async def following(path: Path, *, at_end: bool = False) -> AsyncIterator[Followed]:
    followed = Followed()

    async def run() -> None:
        await followed.run(path, at_end=at_end)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        # The file is opened, and the place to begin found, before the first pause.
        await anyio.wait_all_tasks_blocked()
        yield followed
        tasks.cancel_scope.cancel()


async def test_a_file_is_read_to_its_end(path: Path) -> None:
    append(path, b"three, which is being written")
    assert await read_all(path) == [b"one", b"two", b"three, which is being written"]


async def test_what_is_added_is_read_when_its_line_is_whole(path: Path) -> None:
    async with following(path) as followed:
        await followed.has(b"one", b"two")
        append(path, b"th")
        append(path, b"ree\nfour\n")
        await followed.has(b"one", b"two", b"three", b"four")


async def test_from_the_end_only_what_is_added_is_read(path: Path) -> None:
    async with following(path, at_end=True) as followed:
        append(path, b"three\n")
        await followed.has(b"three")


async def test_a_line_that_is_under_way_is_read_whole(path: Path) -> None:
    append(path, b"thr")
    async with following(path, at_end=True) as followed:
        append(path, b"ee\n")
        await followed.has(b"three")


async def test_a_file_that_is_renamed_is_read_to_its_end_and_then_the_new_one(path: Path) -> None:
    async with following(path) as followed:
        await followed.has(b"one", b"two")
        os.rename(path, path.with_suffix(".1"))
        append(path.with_suffix(".1"), b"three\n")
        path.write_bytes(b"four\n")
        await followed.has(b"one", b"two", b"three", b"four")


async def test_a_file_that_is_truncated_is_read_from_its_beginning(path: Path) -> None:
    async with following(path) as followed:
        await followed.has(b"one", b"two")
        path.write_bytes(b"3\n")
        await followed.has(b"one", b"two", b"3")


async def test_a_file_that_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(Refused, match=r"cannot read .*gone: No such file or directory; correct the path"):
        await read_all(path.with_name("gone"))


async def test_a_pipe_is_refused(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    with pytest.raises(Refused, match="no regular file"):
        await read_all(path.with_name("pipe"))
