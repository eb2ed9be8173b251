"""A TRUNCATE arrives after all that was before it in its table and before all that came after, over all shards and whatever fails."""

from __future__ import annotations

import base64
import json
import random
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from forwarder.capture.selection import Pattern
from forwarder.local.kinesis.faults import AnyFault, Error, FailRecords, LoseResponse
from forwarder.store.replay import Replay
from tests.capture import capture
from tests.cases import some
from tests.databases import Database, connected
from tests.kpl_oracle import kpl_oracle
from tests.listening import STREAM, Served, kinesis_with_stream, leads, listening
from tests.waiting import eventually

ITEM, OTHER = "public.item", "public.other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A record in the stream, and when it was stored; no two requests were stored at the same time."""

    at: float
    table: str
    op: str
    seq: int
    partition: str | None
    id: int | None


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """Each request is a millisecond after the one before it."""
    requests = count()
    async with kinesis_with_stream(clock=lambda: 1_800_000_000 + next(requests) / 1000) as served:
        yield served


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A halted lane, and a letter that is to be sent again, wait for a tenth of a second instead of several."""
    monkeypatch.setattr("forwarder.delivery.retries.REFUSED_SECONDS", 0.1)
    monkeypatch.setattr("forwarder.listen.redelivery.INTERVAL_SECONDS", 0.1)


@pytest.fixture(autouse=True)
async def tables(database: Database) -> None:
    async with connected(database.url) as owner:
        for table in (ITEM, OTHER):
            await owner.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, note text)")
            await capture(owner, table)


async def execute(database: Database, *statements: str) -> None:
    """Each statement in a transaction of its own; several in one string share theirs."""
    async with connected(database.url) as owner:
        for statement in statements:
            await owner.execute(statement)


def rows(table: str, first: int, last: int) -> str:
    return f"INSERT INTO {table} SELECT id, 'a note' FROM generate_series({first}, {last}) AS id;"


def arrivals(served: Served, *, aggregated: bool = False) -> list[Arrival]:
    """All that is stored so far, in the order of its arrival."""
    stored = sorted(served.kinesis.stream(STREAM).records(), key=lambda record: record.approximate_arrival_timestamp)
    if not aggregated:
        return [_arrival(record.approximate_arrival_timestamp, record.data) for record in stored]
    with kpl_oracle() as oracle:
        return [
            _arrival(record.approximate_arrival_timestamp, base64.b64decode(inner["data"]))
            for record in stored
            for inner in oracle.decode(record.partition_key, record.data)
        ]


def _arrival(at: float, data: bytes) -> Arrival:
    body: dict[str, Any] = json.loads(data)
    return Arrival(
        at=at,
        table=f"{body['schema']}.{body['table']}",
        op=body["op"],
        seq=body["seq"],
        partition=body.get("partition"),
        id=body["key"] and body["key"]["id"],
    )


async def arrived(served: Served, number: int, *, aggregated: bool = False) -> list[Arrival]:
    """Wait for so many different changes; all that is stored then."""

    async def all_there() -> list[Arrival] | None:
        found = arrivals(served, aggregated=aggregated)
        return found if len({arrival.seq for arrival in found}) == number else None

    found = await eventually(all_there, within_seconds=40)
    assert found
    return found


def assert_truncates_stand_between(found: Sequence[Arrival], *, table: str = ITEM) -> None:
    """No record of the table, repeats included, arrived on the wrong side of a TRUNCATE, or together with one."""
    of_table = [arrival for arrival in found if arrival.table == table]
    truncates = {arrival.seq for arrival in of_table if arrival.op == "truncate"}
    assert truncates
    for truncate in truncates:
        times = [arrival.at for arrival in of_table if arrival.seq == truncate]
        others = [arrival for arrival in of_table if arrival.op != "truncate"]
        late = [arrival for arrival in others if arrival.seq < truncate and arrival.at >= min(times)]
        early = [arrival for arrival in others if arrival.seq > truncate and arrival.at <= max(times)]
        assert not late, f"{len(late)} of before {truncate} came after it, such as {late[0]}"
        assert not early, f"{len(early)} of after {truncate} came before it, such as {early[0]}"


@pytest.mark.parametrize("options", some("", "&aggregation=kpl", of=["", "&aggregation=kpl", "&prefix=false"]))
async def test_a_truncate_keeps_its_place_while_records_fail_and_answers_are_lost(
    database: Database, served: Served, options: str
) -> None:
    faults: Sequence[AnyFault] = (FailRecords(probability=0.3), LoseResponse(probability=0.1, operation="PutRecords"))
    served.kinesis.faults.replace(faults)
    rounds, each = 3, 50
    for _ in range(rounds):
        reload = f"TRUNCATE {ITEM}; {rows(ITEM, 1, each)}"
        await execute(database, rows(ITEM, each + 1, 2 * each), f"UPDATE {ITEM} SET note = 'new'", reload)
    await execute(database, f"TRUNCATE {ITEM}")
    changes = sum(each + each + (each if done else 0) + 1 + each for done in range(rounds)) + 1
    async with listening(database.url, served.sink + options, page_rows=70):
        found = await arrived(served, changes, aggregated="kpl" in options)
    assert_truncates_stand_between(found)


async def test_a_change_that_is_refused_holds_a_truncate_up_and_no_other_table(
    database: Database, served: Served
) -> None:
    throttled = FailRecords(
        partition_keys=frozenset({f"{ITEM}.7"}), error_code="ProvisionedThroughputExceededException"
    )
    served.kinesis.faults.replace([throttled])
    await execute(database, rows(ITEM, 1, 20), f"TRUNCATE {ITEM}", rows(ITEM, 1, 20), rows(OTHER, 1, 20))
    async with listening(database.url, served.sink):
        assert {arrival.table for arrival in await arrived(served, 39) if arrival.seq > 20} == {OTHER}
        served.kinesis.faults.replace([])
        assert_truncates_stand_between(await arrived(served, 61))


async def test_a_halted_lane_holds_a_truncate_and_what_comes_after_it(database: Database, served: Served) -> None:
    served.kinesis.faults.replace([poison(f"{ITEM}.7")])
    await execute(database, rows(ITEM, 1, 20), f"TRUNCATE {ITEM}", rows(ITEM, 1, 20), rows(OTHER, 1, 20))
    async with listening(database.url, f"{served.sink}&on_poison=halt-lane"):
        await arrived(served, 39)
        served.kinesis.faults.replace([])
        assert_truncates_stand_between(await arrived(served, 61))


@pytest.mark.parametrize("key", [f"{ITEM}.7", ITEM])
async def test_what_is_set_aside_holds_no_truncate_up_and_a_truncate_that_is_holds_nothing_up(
    database: Database, served: Served, key: str
) -> None:
    served.kinesis.faults.replace([poison(key)])
    await execute(database, rows(ITEM, 1, 20), f"TRUNCATE {ITEM}", rows(ITEM, 21, 40))
    async with listening(database.url, served.sink):
        found = await arrived(served, 40)
    assert [arrival.op for arrival in found if arrival.seq == 21] == ([] if key == ITEM else ["truncate"])


def poison(*keys: str) -> Error:
    return Error(operation="PutRecords", error_code="ValidationException", partition_keys=frozenset(keys))


async def test_a_truncate_of_several_tables_keeps_its_place_in_each(database: Database, served: Served) -> None:
    served.kinesis.faults.replace([FailRecords(probability=0.3)])
    both = f"TRUNCATE {ITEM}, {OTHER}; {rows(ITEM, 1, 30)} {rows(OTHER, 1, 30)}"
    await execute(database, rows(ITEM, 1, 30), rows(OTHER, 1, 30), both, both)
    async with listening(database.url, served.sink):
        found = await arrived(served, 184)
    for table in (ITEM, OTHER):
        assert_truncates_stand_between(found, table=table)


async def test_the_truncate_of_a_partition_keeps_its_place_in_the_whole_table(
    database: Database, served: Served
) -> None:
    served.kinesis.faults.replace([FailRecords(probability=0.3)])
    leaves = [f"CREATE TABLE public.sale_{n} PARTITION OF public.sale FOR VALUES IN ({n})" for n in (1, 2, 3)]
    await execute(
        database,
        "CREATE TABLE public.sale (id bigint, area int, PRIMARY KEY (id, area)) PARTITION BY LIST (area)",
        *leaves,
    )
    async with connected(database.url) as owner:
        await capture(owner, "public.sale")
    insert = "INSERT INTO public.sale SELECT id, 1 + id % 3 FROM generate_series(1, 60) AS id;"
    await execute(database, insert, "TRUNCATE public.sale_2", f"TRUNCATE public.sale; {insert}")
    async with listening(database.url, served.sink):
        found = await arrived(served, 60 + 1 + 4 + 60)
    assert_truncates_stand_between(found, table="public.sale")


async def test_a_reload_larger_than_memory_is_delivered(database: Database, served: Served) -> None:
    served.kinesis.faults.replace([FailRecords(probability=0.05)])
    await execute(database, rows(ITEM, 1, 300), f"TRUNCATE {ITEM}; {rows(ITEM, 1, 3000)}")
    async with listening(database.url, served.sink, page_rows=100, max_events=250):
        found = await arrived(served, 3301)
    assert_truncates_stand_between(found)


async def test_a_listener_that_is_stopped_while_a_truncate_waits_ends_and_the_next_one_keeps_the_order(
    database: Database, served: Served
) -> None:
    served.kinesis.faults.replace([poison(f"{ITEM}.7")])
    await execute(database, rows(ITEM, 1, 20), f"TRUNCATE {ITEM}", rows(ITEM, 1, 20))
    sink = f"{served.sink}&on_poison=halt-lane"
    async with listening(database.url, sink, stop_timeout_seconds=0.5) as service:
        await leads(service)
        await arrived(served, 19)
    served.kinesis.faults.replace([])
    async with listening(database.url, sink):
        assert_truncates_stand_between(await arrived(served, 41))


async def test_a_table_that_is_replayed_has_its_truncate_in_its_place_again(database: Database, served: Served) -> None:
    await execute(database, rows(ITEM, 1, 20), f"TRUNCATE {ITEM}", rows(ITEM, 1, 20))
    async with connected(database.url) as owner, listening(database.url, served.sink):
        await arrived(served, 41)

        async def position_saved() -> bool:
            """What is delivered is replayed, and a sink's position is what tells that."""
            seen = "SELECT bool_and(pg_visible_in_snapshot(txid, delivered)) FROM forwarder.outbox, forwarder.sink"
            return bool(await owner.fetchval(seen))

        await eventually(position_saved)
        served.kinesis.faults.replace([FailRecords(probability=0.3)])
        done = await Replay(owner, sink="default").send_tables(None, [Pattern(ITEM)])
        assert done.changes == 41

        async def all_repeated() -> bool:
            return len(arrivals(served)) == 82

        await eventually(all_repeated, within_seconds=20)
    assert_truncates_stand_between(arrivals(served)[41:])


async def test_a_consumer_that_compares_seq_ends_up_with_the_table_however_it_reads_the_shards(
    database: Database, served: Served
) -> None:
    served.kinesis.faults.replace([FailRecords(probability=0.2), LoseResponse(probability=0.1, operation="PutRecords")])
    changes = [
        rows(ITEM, 1, 40),
        f"DELETE FROM {ITEM} WHERE id <= 5",
        f"TRUNCATE {ITEM}; {rows(ITEM, 1, 30)}",
        f"UPDATE {ITEM} SET note = 'new' WHERE id > 10",
        f"DELETE FROM {ITEM} WHERE id = 20",
    ]
    await execute(database, *changes)
    async with listening(database.url, served.sink, page_rows=30):
        found = await arrived(served, 40 + 5 + 31 + 20 + 1)
    async with connected(database.url) as owner:
        table = {row["id"] for row in await owner.fetch(f"SELECT id FROM {ITEM}")}
    for seed in range(50):
        assert _consumed(found, random.Random(seed)) == table


def _consumed(found: Sequence[Arrival], chance: random.Random) -> set[int]:
    """The rows that a consumer has in the end who reads by the rules of docs/formats.md: each key in order, as a shard has it."""
    keys: dict[int | None, deque[Arrival]] = defaultdict(deque)
    for arrival in found:
        keys[arrival.id].append(arrival)
    consumed: dict[int, int] = {}
    truncated = 0
    while keys:
        key = chance.choice(list(keys))
        arrival = keys[key].popleft()
        if not keys[key]:
            del keys[key]
        if arrival.op == "truncate":
            truncated = max(truncated, arrival.seq)
            consumed = {identity: seq for identity, seq in consumed.items() if seq >= arrival.seq}
            continue
        assert arrival.id is not None
        if arrival.seq > truncated and arrival.seq > consumed.get(arrival.id, 0):
            consumed[arrival.id] = arrival.seq
            if arrival.op == "delete":
                del consumed[arrival.id]
    return set(consumed)
