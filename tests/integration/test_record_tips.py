"""A stream and a file are read up to their ends, and from there on again: every record once, those of a key in their order."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from forwarder.aws.kinesis_client import kinesis_client
from forwarder.config import sink_url
from forwarder.config.sink_url import KinesisTarget
from forwarder.consumer.compression import Budget, decompressed, is_compressed
from forwarder.consumer.reading.kinesis_calls import READS_AT_ONCE, KinesisCalls
from forwarder.consumer.reading.stored_record import StoredRecord
from forwarder.errors import Refused
from forwarder.verify.file_tip import FileTip
from forwarder.verify.stream_tip import StreamTip
from tests.listening import CREDENTIALS, STREAM, Served, client_of

KEYS = [f"key {number}" for number in range(20)]


class Taken:
    """What was read."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, records: Sequence[StoredRecord]) -> None:
        contents = (
            decompressed(record.data, Budget()) if is_compressed(record.data) else record.data for record in records
        )
        self.texts += [content.decode() for content in contents]


@asynccontextmanager
async def tip_of(served: Served, taken: Taken) -> AsyncIterator[StreamTip]:
    target = sink_url.parse(served.sink).target
    assert isinstance(target, KinesisTarget)
    async with kinesis_client(target, max_connections=READS_AT_ONCE, reads=True) as client:
        calls = KinesisCalls(client, target.stream, attempts=3, report=lambda _: None)
        yield StreamTip(calls, start="oldest", deliver=taken)


async def test_a_stream_is_read_on_through_reshards(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    taken, number = Taken(), 0
    async with tip_of(served, taken) as tip, client_of(served) as client:
        await tip.read()
        assert taken.texts == []
        for count in (8, 8, 4, 2, 4):
            for key in KEYS:
                number += 1
                await client.put_record(StreamName=STREAM, PartitionKey=key, Data=f"{key}: {number:04}".encode())
            if count != 8 or number == len(KEYS):
                await client.update_shard_count(
                    StreamName=STREAM, TargetShardCount=count, ScalingType="UNIFORM_SCALING"
                )
            await tip.read()
            assert len(taken.texts) == number
            await tip.read()
    by_key = defaultdict(list)
    for text in taken.texts:
        by_key[text.partition(":")[0]].append(text)
    assert len(taken.texts) == len(set(taken.texts)) == number
    assert all(texts == sorted(texts) for texts in by_key.values())


async def test_a_file_is_read_on_up_to_its_last_whole_line(tmp_path: Path) -> None:
    path, taken = tmp_path / "changes.jsonl", Taken()
    path.write_bytes(b"one\ntw")
    with closing(FileTip(str(path), taken)) as tip, path.open("ab") as file:
        for added, texts in (
            (b"", ["one"]),
            (b"o\n", ["one", "two"]),
            (gzip.compress(b"three"), ["one", "two", "three"]),
        ):
            file.write(added)
            file.flush()
            await tip.read()
            assert taken.texts == texts


@pytest.mark.parametrize("replaced", [True, False])
async def test_a_file_that_is_replaced_or_cut_is_no_whole_answer(tmp_path: Path, *, replaced: bool) -> None:
    path = tmp_path / "changes.jsonl"
    path.write_bytes(b"one\n")
    with closing(FileTip(str(path), Taken())) as tip:
        await tip.read()
        if replaced:
            path.rename(tmp_path / "changes.1")
        path.write_bytes(b"")
        with pytest.raises(Refused, match="truncated or replaced"):
            await tip.read()
