"""What is learned of a stream's shards beside the requests, however long it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from forwarder.metrics import Metrics
from forwarder.records.record import Record
from forwarder.sinks.kinesis import shard_list
from forwarder.sinks.kinesis import shards as kinesis_shards
from forwarder.sinks.kinesis.answer import Result, answer_of
from forwarder.sinks.kinesis.shard_map import ShardMap
from forwarder.sinks.kinesis.shards import KinesisShards
from tests.waiting import eventually

LIST = {
    "Shards": [
        {
            "ShardId": f"shardId-{number:012d}",
            "HashKeyRange": {"StartingHashKey": str(number << 127)},
            "SequenceNumberRange": {},
        }
        for number in range(2)
    ]
}


class Client:
    """Answers ListShards as its script says, and as it should when that has ended. None: never."""

    def __init__(self, *script: dict[str, Any] | None) -> None:
        self.calls = 0
        self._script = list(script)

    async def list_shards(self, **_: Any) -> dict[str, Any]:
        self.calls += 1
        answer = self._script.pop(0) if self._script else LIST
        if answer is None:
            await anyio.sleep_forever()
            raise AssertionError
        return answer


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinesis_shards, "LIST_AGAIN_SECONDS", 0.001)
    monkeypatch.setattr("forwarder.aws.call.CALL_SECONDS", 0.01)


def shards_of(client: Client) -> KinesisShards:
    return KinesisShards(client, "changes", is_ordered=True, aggregates=False, metrics=Metrics().sink("default"))


@asynccontextmanager
async def running(client: Client) -> AsyncIterator[KinesisShards]:
    shards = shards_of(client)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shards.run)
        yield shards
        tasks.cancel_scope.cancel()


def records(count: int) -> list[Record]:
    undelivered = set(range(count))
    return [Record(seq, str(seq), b"x", undelivered) for seq in range(count)]


def throttle(shards: KinesisShards, sent: Sequence[Record], *, shard: str = "shardId-000000000000") -> None:
    """An answer that refuses all of a request for this shard's sake."""
    message = f"Rate exceeded for shard {shard} in stream changes"
    result = Result(error_code=kinesis_shards.THROTTLED, error_message=message)
    now = anyio.current_time()
    shards.learn(sent, answer_of([result for _ in sent]), sent=now, now=now)


ENDLESS = {"Shards": [{}] * (shard_list.MAX_SHARDS + 1), "NextToken": "more"}
BEYOND_ALL = {"Shards": [{"ShardId": "shardId-0", "HashKeyRange": {"StartingHashKey": inf, "EndingHashKey": inf}}]}


@pytest.mark.parametrize("answer", [None, {}, {"Shards": []}, {"Shards": [{}]}, {"Shards": None}, ENDLESS, BEYOND_ALL])
async def test_a_list_that_does_not_come_or_says_nothing_is_asked_for_again(answer: dict[str, Any] | None) -> None:
    client = Client(answer, answer)
    async with running(client) as shards:
        schedule = shards.new_schedule()
        schedule.extend(records(100))
        throttle(shards, schedule.take(max_records=1, max_bytes=100, now=anyio.current_time()))

        async def is_paced() -> bool:
            """The shard that has throttled rests, and the other does not."""
            offered = schedule.take(max_records=500, max_bytes=1 << 20, now=anyio.current_time())
            schedule.put_back(offered)
            return 0 < len(offered) < 99

        await eventually(is_paced)
        assert client.calls == 3


async def test_while_a_shard_is_known_its_throttles_ask_for_nothing() -> None:
    client = Client()
    async with running(client) as shards:
        (record, *_) = sent = records(1)
        throttle(shards, sent)
        await eventually(lambda: asked(client))
        await anyio.wait_all_tasks_blocked()
        shard = shards._map.shard_of(record.partition_key) if shards._map else ""
        throttle(shards, sent, shard=shard)
        await anyio.wait_all_tasks_blocked()
        assert client.calls == 1


async def asked(client: Client) -> bool:
    return client.calls > 0


async def test_others_have_their_turn_while_many_lanes_are_given_their_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinesis_shards, "LANES_A_SLICE", 10)
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    shards = shards_of(Client())
    schedule = shards.new_schedule()
    schedule.extend(records(1000))
    # By hand, so that nobody else regroups them at the same time.
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take_turns)
        await shards._regroup(ShardMap(LIST["Shards"]))
        tasks.cancel_scope.cancel()
    assert turns >= 1000 / 10 - 1
