"""The setting ``shards``: which tables go to which part of a stream, in order, whatever is split and whatever fails."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import pytest

from forwarder.config.settings import Settings, SinkSettings
from forwarder.errors import Misconfigured
from forwarder.listen.service import Service
from forwarder.local.kinesis.faults import FailRecords, LoseResponse
from forwarder.metrics import Metrics
from tests.capture import capture
from tests.databases import Database, connected
from tests.kpl_oracle import kpl_oracle
from tests.listening import STREAM, Served, client_of

SHARDS = {"public.orders": "2/4", "public.items": "4/4"}


@pytest.fixture(autouse=True)
async def tables(database: Database) -> None:
    async with connected(database.url) as owner:
        for table in ("orders", "items", "others"):
            await owner.execute(f"CREATE TABLE public.{table} (id bigint PRIMARY KEY, note text)")
            await capture(owner, f"public.{table}")


async def write(database: Database, note: str) -> None:
    async with connected(database.url) as owner:
        for table in ("orders", "items", "others"):
            await owner.execute(
                f"INSERT INTO public.{table} SELECT id, '{note}' FROM generate_series(1, 60) AS id"
                f" ON CONFLICT (id) DO UPDATE SET note = '{note}'"
            )


def service(database: Database, sink: str, shards: Mapping[str, str]) -> Service:
    settings = [SinkSettings(url=sink, shards=dict(shards))]
    return Service(Settings(), settings, database_url=database.url, metrics=Metrics())


async def deliver(database: Database, sink: str) -> None:
    with anyio.fail_after(60):
        await service(database, sink, SHARDS).run(once=True)


def by_shard(served: Served) -> Mapping[str, Sequence[dict[str, Any]]]:
    stream = served.kinesis.stream(STREAM)
    return {
        shard.shard_id: [json.loads(record.data) for record in stream.records(shard.shard_id)]
        for shard in stream.shards
    }


def tables_of(records: Sequence[dict[str, Any]]) -> set[str]:
    return {record["table"] for record in records}


async def test_the_tables_that_are_named_are_in_their_shards_and_others_everywhere(
    database: Database, served: Served
) -> None:
    served.kinesis.faults.replace(
        [FailRecords(probability=0.2), LoseResponse(operation="PutRecords", every=4, times=3)]
    )
    await write(database, "a")
    await write(database, "b")
    await deliver(database, served.sink)
    first, second, third, fourth = by_shard(served).values()
    assert tables_of(first) == tables_of(third) == {"others"}
    assert tables_of(second) == {"orders", "others"}
    assert tables_of(fourth) == {"items", "others"}
    seqs: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for record in (*second, *fourth):
        key = record["table"], record["key"]["id"]
        if record["seq"] not in seqs[key]:
            seqs[key].append(record["seq"])
    assert all(found == sorted(found) for found in seqs.values())


async def test_after_a_split_a_table_goes_on_in_one_child_of_its_shard(database: Database, served: Served) -> None:
    await write(database, "a")
    await deliver(database, served.sink)
    parent = served.kinesis.stream(STREAM).shards[1]
    async with client_of(served) as client:
        await client.split_shard(
            StreamName=STREAM,
            ShardToSplit=parent.shard_id,
            NewStartingHashKey=str((parent.first_hash + parent.last_hash) // 2),
        )
    await write(database, "b")
    await deliver(database, served.sink)
    *_, one, other = by_shard(served).values()
    # The hash is in the middle of the parent, so where the children meet.
    assert ["orders" in tables_of(one), "orders" in tables_of(other)].count(True) == 1


async def test_what_travels_in_an_aggregate_has_the_hash_key_too(database: Database, served: Served) -> None:
    for note in "abc":
        await write(database, note)
    await deliver(database, f"{served.sink}&aggregation=kpl&partition_key=table")
    stream = served.kinesis.stream(STREAM)
    with kpl_oracle() as oracle:
        found = [
            inner
            for record in stream.records(stream.shards[1].shard_id)
            if record.partition_key == "public.orders"
            for inner in oracle.decode(record.partition_key, record.data)
        ]
    assert len(found) == 180
    # One that travels alone is no aggregate.
    assert {inner.get("explicitHashKey") for inner in found} <= {str((1 << 128) * 3 // 8), None}
    assert any(inner.get("explicitHashKey") for inner in found)


@pytest.mark.parametrize(
    ("url", "shards", "remedy"),
    [
        (
            "kinesis://changes",
            {"public.orders": "5/4"},
            "setting shards of sink 'default': '5/4' is no part of a stream",
        ),
        ("kinesis://changes", {"a.b.c": "1/4"}, "setting shards of sink 'default': "),
        ("file:changes.jsonl", {"public.orders": "1/4"}, "is for Kinesis; leave it out"),
    ],
)
async def test_a_part_that_is_not_there_is_told_at_start(
    database: Database, url: str, shards: Mapping[str, str], remedy: str
) -> None:
    with pytest.raises(Misconfigured) as error:
        service(database, url, shards)
    assert remedy in str(error.value)
