"""Lanes that get more than their shard takes one by one: aggregated on request, and paced when the shard throttles."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import asyncpg
import pytest

from forwarder.local.kinesis.faults import Delay, FailRecords, Hang, LoseResponse
from forwarder.sinks.kinesis import shards, wire_cbor
from forwarder.sinks.kinesis.answer import Answer
from forwarder.sinks.kinesis.shard_map import ShardMap
from forwarder.sinks.kinesis.shards import THROTTLED
from tests.databases import Database
from tests.kpl_oracle import kpl_oracle
from tests.ledger import Ledger, Missing, all_delivered, write, write_rows
from tests.listening import STREAM, Served, impatient, kinesis_with_stream, leads, listening
from tests.waiting import eventually

Decode = Callable[[bytes], Answer]


def taken_apart(served: Served) -> list[bytes]:
    """What a consumer with the library of AWS reads, in the order of the stream."""
    with kpl_oracle() as oracle:
        return [
            base64.b64decode(user_record["data"])
            for record in served.kinesis.stream(STREAM).records()
            for user_record in oracle.decode(record.partition_key, record.data)
        ]


async def test_an_aggregated_lane_keeps_its_order_while_records_fail_and_answers_are_lost(
    database: Database, ledger: Ledger
) -> None:
    async with kinesis_with_stream() as served:
        served.kinesis.faults.replace(
            [
                FailRecords(probability=0.2),
                LoseResponse(operation="PutRecords", probability=0.1),
                Delay(operation="PutRecords", seconds=0.005),
            ]
        )
        sink = f"{served.sink}&partition_key=table&aggregation=kpl"
        async with listening(database.url, sink) as service:
            await leads(service)
            await write(ledger, database.writer_url, transactions=80)
            await all_delivered(ledger, lambda: taken_apart(served))
        # One lane only; one by one, it would have been a record for each change.
        assert served.kinesis.stream(STREAM).record_count < ledger.changes / 2


async def test_a_hot_lane_moves_thousands_of_changes_in_a_handful_of_records(
    database: Database, ledger: Ledger
) -> None:
    await write_rows(ledger, database.url, *range(1000, 9000))
    async with kinesis_with_stream(shards=1, limits=True) as served:
        sink = f"{served.sink}&partition_key=table&aggregation=kpl"
        async with listening(database.url, sink):
            await all_delivered(ledger, lambda: taken_apart(served))
        assert served.kinesis.stream(STREAM).record_count < 80


async def test_a_shard_that_throttles_is_hardly_asked_for_more_than_it_takes(
    database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = refused_unpaced = 0

    def count_refusals(answer: bytes, *, decode: Decode = wire_cbor.decode) -> Answer:
        nonlocal refused
        told = decode(answer)
        refused += len(told.refused)
        return told

    class ListedShards(ShardMap):
        def __init__(self, shards: Sequence[Mapping[str, Any]]) -> None:
            nonlocal refused_unpaced
            super().__init__(shards)
            refused_unpaced = refused

    monkeypatch.setattr(wire_cbor, "decode", count_refusals)
    monkeypatch.setattr(shards, "ShardMap", ListedShards)
    await write_rows(ledger, database.url, *range(1000, 5000))
    async with kinesis_with_stream(shards=1, limits=True) as served, listening(database.url, served.sink):
        await all_delivered(ledger, served.data)

    # Until the shards are listed nothing is paced, however long that takes on a busy machine. From then on no more is refused than was under way.
    assert refused_unpaced
    assert refused - refused_unpaced < ledger.changes


@pytest.mark.parametrize("ordering", ["strict", "none"])
async def test_no_change_waits_for_the_list_of_shards(
    database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, ordering: str
) -> None:
    # Whoever waits for the list waits for ever.
    impatient(monkeypatch, read_timeout=3600.0)
    async with kinesis_with_stream() as served:
        throttles = FailRecords(error_code=THROTTLED, times=5)
        hang = Hang(operation="ListShards")
        served.kinesis.faults.replace([throttles, hang])
        async with listening(database.url, f"{served.sink}&ordering={ordering}") as service:
            await leads(service)
            await write(ledger, database.writer_url, transactions=50)
            await eventually(Missing(ledger, served.data).nothing)
            assert served.kinesis.faults.struck(throttles) == 5
            await eventually(position_is_at_the_end(database))
        assert served.kinesis.faults.struck(hang)


def position_is_at_the_end(database: Database) -> Callable[[], Awaitable[bool]]:
    async def is_there() -> bool:
        connection = await asyncpg.connect(database.url)
        try:
            behind = "SELECT 1 FROM forwarder.outbox, forwarder.sink WHERE NOT pg_visible_in_snapshot(txid, delivered)"
            return not await connection.fetch(behind)
        finally:
            await connection.close()

    return is_there
