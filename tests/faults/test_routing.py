"""One sink with a stream for each table: each keeps its order, and a missing stream is its own table's trouble alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from forwarder.database.queries import query
from forwarder.delivery.buffer import Buffer
from forwarder.delivery.schedules.routed import Routed
from forwarder.listen.resending import Resending
from forwarder.listen.service import Service
from forwarder.local.kinesis.faults import Delay, Error, FailRecords, LoseResponse
from forwarder.records.packing import Packed
from forwarder.store import stranded
from tests.capture import capture
from tests.databases import Database, connected
from tests.listening import (
    CREDENTIALS,
    Operator,
    Served,
    client_of,
    command,
    kinesis_with_stream,
    leads,
    listening,
    service_of,
)
from tests.waiting import eventually

TABLES = ("orders", "items")


@pytest.fixture(autouse=True)
async def tables(database: Database) -> None:
    async with connected(database.url) as owner:
        for table in TABLES:
            await owner.execute(f"CREATE TABLE public.{table} (id bigint PRIMARY KEY, note text)")
            await capture(owner, f"public.{table}")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A local Kinesis with a stream for items, and none for orders."""
    async with kinesis_with_stream() as served:
        served.kinesis.create_stream("public-items", shards=2)
        yield served


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A barred stream is looked at, and what waits for it is set aside, within a tenth of a second."""
    monkeypatch.setattr("forwarder.delivery.schedules.routed.STRAND_SECONDS", 0.1)
    monkeypatch.setattr("forwarder.delivery.schedules.routed.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("forwarder.sinks.kinesis.routing.LOOK_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr("forwarder.sinks.kinesis.routing.LOOK_SECONDS", 0.1)
    monkeypatch.setattr("forwarder.sinks.kinesis.routing.SECONDS_A_STREAM", 0.0)
    monkeypatch.setattr("forwarder.listen.revival.INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr("forwarder.outbox.source.NAMES_SECONDS", 0.2)


def routed(served: Served, options: str = "") -> str:
    return f"kinesis://{{schema}}-{{table}}?region=us-east-1&endpoint_url={served.endpoint_url}{options}"


def stored(served: Served, table: str) -> Sequence[tuple[str, dict[str, Any]]]:
    """Each record's partition key and content in the stream of a table; those of one key in their order."""
    records = served.kinesis.stream(f"public-{table}").records()
    return [(record.partition_key, json.loads(record.data)) for record in records]


def assert_in_order(served: Served, table: str) -> None:
    """Each change, when it came first, came behind all that are before it under its key."""
    firsts: defaultdict[str, dict[int, None]] = defaultdict(dict)
    for key, record in stored(served, table):
        firsts[key][record["seq"]] = None
    assert all(list(seqs) == sorted(seqs) for seqs in firsts.values())


async def arrived(served: Served, table: str, count: int) -> None:
    """Wait until so many different changes of a table are in its stream."""

    async def have_arrived() -> bool:
        return len({record["seq"] for _, record in stored(served, table)}) == count

    await eventually(have_arrived, within_seconds=60)


async def execute(database: Database, *statements: str) -> None:
    """Each statement in a transaction of its own."""
    async with connected(database.url) as owner:
        for statement in statements:
            await owner.execute(statement)


async def letters(database: Database) -> Sequence[tuple[str, int]]:
    """The codes of the dead letters, and how many there are of each."""
    async with connected(database.url) as owner:
        rows = await owner.fetch("SELECT code, count(*) FROM forwarder.dead_letter GROUP BY code")
    return [(code, count) for code, count in rows]


async def set_aside(database: Database, count: int) -> None:
    """Wait until there are so many letters, all for want of their stream."""

    async def are_set_aside() -> bool:
        return await letters(database) == [("no-stream", count)]

    await eventually(are_set_aside, within_seconds=60)


async def warned(service: Service, *streams: str) -> None:
    """Wait until these streams, and no others, are in the warnings."""

    async def are_warned_of() -> bool:
        [state] = service.states.values()
        named = [warning.split(":")[0] for warning in state.stream_warnings]
        return sorted(named) == [f"stream {name}" for name in sorted(streams)]

    await eventually(are_warned_of)


@pytest.mark.parametrize("options", ["", "&ordering=none&partition_key=transaction"])
async def test_each_table_has_its_stream_while_records_fail(database: Database, served: Served, options: str) -> None:
    served.kinesis.create_stream("public-orders", shards=3)
    served.kinesis.faults.replace(
        [FailRecords(probability=0.2), LoseResponse(operation="PutRecords", every=4, times=3)]
    )
    for table in TABLES:
        await execute(
            database,
            f"INSERT INTO {table} SELECT id, 'a' FROM generate_series(1, 100) AS id",
            f"UPDATE {table} SET note = 'b'",
            f"TRUNCATE {table}",
            f"INSERT INTO {table} SELECT id, 'c' FROM generate_series(1, 10) AS id",
        )
    with anyio.fail_after(60):
        await service_of(database.url, routed(served, options), page_rows=50).run(once=True)
    for table in TABLES:
        await arrived(served, table, 211)
        assert {record["table"] for _, record in stored(served, table)} == {table}
        if not options:
            assert_in_order(served, table)


@pytest.mark.usefixtures("eager")
async def test_a_missing_stream_is_its_tables_trouble_alone_and_gets_all_in_order_when_it_is_there(
    database: Database, served: Served
) -> None:
    # Fifty records of orders would fill the memory.
    async with listening(database.url, routed(served), page_rows=10, max_events=50) as service:
        await leads(service)
        await warned(service, "public-orders")
        await execute(
            database,
            "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 300) AS id",
            *[f"UPDATE orders SET note = 'b{number}' WHERE id <= 20" for number in range(5)],
            "INSERT INTO items SELECT id, 'a' FROM generate_series(1, 300) AS id",
        )
        await arrived(served, "items", 300)
        assert service.states["default"].ready
        await set_aside(database, 400)
        served.kinesis.create_stream("public-orders", shards=2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write_on, database)
            await arrived(served, "orders", 500)
        await warned(service)
    assert_in_order(served, "orders")
    assert await letters(database) == []


async def write_on(database: Database) -> None:
    """A hundred more updates, while what was set aside is being sent."""
    for number in range(5):
        await execute(database, f"UPDATE orders SET note = 'c{number}' WHERE id <= 20")


@pytest.mark.usefixtures("eager")
async def test_a_stream_that_is_deleted_and_comes_again_costs_nothing_but_time(
    database: Database, served: Served
) -> None:
    served.kinesis.create_stream("public-orders")
    async with listening(database.url, routed(served)) as service, client_of(served) as client:
        await leads(service)
        await execute(database, "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 10) AS id")
        await arrived(served, "orders", 10)
        await client.delete_stream(StreamName="public-orders")
        await warned(service, "public-orders")
        await execute(database, "UPDATE orders SET note = 'b'", "INSERT INTO items VALUES (1)")
        await arrived(served, "items", 1)
        served.kinesis.create_stream("public-orders")
        await arrived(served, "orders", 10)
        assert {record["op"] for _, record in stored(served, "orders")} == {"update"}


@pytest.mark.usefixtures("eager")
async def test_a_stream_that_may_be_looked_at_and_not_written_to_is_its_tables_trouble_alone(
    database: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.sinks.kinesis.routing.MOST_BARRED_SECONDS", 1.0)
    served.kinesis.create_stream("public-orders")
    denied = Error(operation="PutRecords", stream="public-orders", error_code="AccessDeniedException")
    async with listening(database.url, routed(served), page_rows=10, max_events=50) as service:
        await leads(service)
        served.kinesis.faults.replace([denied])
        await execute(
            database,
            "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 200) AS id",
            "UPDATE orders SET note = 'b'",
            "INSERT INTO items SELECT id, 'a' FROM generate_series(1, 300) AS id",
        )
        await arrived(served, "items", 300)
        assert service.states["default"].ready
        served.kinesis.faults.replace([])
        await arrived(served, "orders", 400)
    assert_in_order(served, "orders")
    assert await letters(database) == []


@pytest.mark.usefixtures("eager")
async def test_a_table_that_comes_later_has_its_stream_as_well(database: Database, served: Served) -> None:
    served.kinesis.create_stream("public-orders")
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        served.kinesis.create_stream("public-late_one")
        async with connected(database.url) as owner:
            await owner.execute('CREATE TABLE public."late/one" (id bigint PRIMARY KEY)')
            await capture(owner, 'public."late/one"')
            await owner.execute('INSERT INTO public."late/one" VALUES (1)')
        await arrived(served, "late_one", 1)


@pytest.mark.usefixtures("eager")
async def test_with_once_what_has_no_stream_is_set_aside_and_sent_by_the_next_run(
    database: Database, served: Served
) -> None:
    await execute(database, "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 10) AS id")
    with anyio.fail_after(30):
        await service_of(database.url, routed(served)).run(once=True)
    assert await letters(database) == [("no-stream", 10)]
    served.kinesis.create_stream("public-orders")
    await execute(database, "UPDATE orders SET note = 'b'")
    with anyio.fail_after(30):
        await service_of(database.url, routed(served)).run(once=True)
    await arrived(served, "orders", 20)
    assert_in_order(served, "orders")
    assert await letters(database) == []


@pytest.mark.usefixtures("eager")
async def test_a_large_change_whose_stream_is_missing_is_made_smaller_when_the_stream_is_there(
    database: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it takes is not known before. Until then the change is a letter, although the stream comes before the others would be."""
    monkeypatch.setattr("forwarder.delivery.schedules.routed.STRAND_SECONDS", 60.0)
    async with listening(database.url, routed(served, "&oversize=drop-before")) as service:
        await leads(service)
        await execute(
            database,
            "INSERT INTO orders VALUES (1, 'a'), (2, repeat('x', 700000))",
            "UPDATE orders SET note = repeat('y', 700000) WHERE id = 2",
            "UPDATE orders SET note = 'b'",
        )
        await set_aside(database, 5)
        served.kinesis.create_stream("public-orders")
        await arrived(served, "orders", 5)
        assert_in_order(served, "orders")
    [smaller] = [record for _, record in stored(served, "orders") if record.get("omitted")]
    assert (smaller["op"], smaller["omitted"], smaller["after"]["note"][:1]) == ("update", ["before"], "y")
    assert await letters(database) == []


@pytest.mark.usefixtures("eager")
async def test_nobody_is_warned_of_a_stream_whose_table_has_another_name(database: Database, served: Served) -> None:
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await warned(service, "public-orders")
        served.kinesis.create_stream("public-orders2")
        await execute(database, "ALTER TABLE orders RENAME TO orders2", "INSERT INTO orders2 VALUES (1)")
        await arrived(served, "orders2", 1)
        await warned(service)
        await execute(database, "ALTER TABLE orders2 RENAME TO orders", "INSERT INTO orders VALUES (2)")
        await warned(service, "public-orders")


async def test_what_is_held_while_the_last_letters_are_sent_goes_behind_them_at_once(
    database: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, hold, holding, changed = Resending.send, Routed.hold, list[Routed](), anyio.Event()

    def hold_and_tell(schedule: Routed, stream: str) -> None:
        hold(schedule, stream)
        holding.append(schedule)

    async def send_and_change(resending: Resending, seqs: Sequence[int], *, stream: str) -> int:
        last_seq = await send(resending, seqs, stream=stream)
        if not holding or changed.is_set():
            return last_seq
        [schedule, *_] = holding
        changed.set()
        await execute(database, "UPDATE orders SET note = 'b'")

        async def are_held() -> bool:
            return len(schedule._stream("public-orders").held) == 5

        await eventually(are_held)
        return last_seq

    monkeypatch.setattr(Routed, "hold", hold_and_tell)
    async with listening(database.url, routed(served), poll_interval_seconds=600) as service:
        await leads(service)
        await execute(database, "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 5) AS id")
        await set_aside(database, 5)
        monkeypatch.setattr(Resending, "send", send_and_change)
        served.kinesis.create_stream("public-orders")
        await arrived(served, "orders", 10)
    assert_in_order(served, "orders")


async def test_a_stop_does_not_wait_for_a_stream_that_is_missing(database: Database, served: Served) -> None:
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await execute(database, "INSERT INTO orders VALUES (1), (2)", "INSERT INTO items VALUES (1)")
        await arrived(served, "items", 1)
        assert await letters(database) == []
    assert await letters(database) == [("no-stream", 2)]


async def test_a_listener_that_is_killed_while_a_stream_is_missing_loses_and_reverses_nothing(
    database: Database, served: Served, tmp_path: Path
) -> None:
    env = {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": routed(served),
        "FORWARDER_LISTEN_MAX_EVENTS": "50",
        "FORWARDER_LISTEN_PAGE_ROWS": "20",
    }
    changes = 0
    for life in range(3):
        async with command("listen", env=env, directory=tmp_path / f"life{life}") as listener:
            await listener.says("listening")
            await execute(
                database,
                f"INSERT INTO orders SELECT id, 'a' FROM generate_series({life * 100 + 1}, {life * 100 + 100}) AS id",
                "UPDATE orders SET note = note || 'b' WHERE id <= 50",
                f"INSERT INTO items SELECT id, 'a' FROM generate_series({life * 100 + 1}, {life * 100 + 100}) AS id",
            )
            changes += 150
            await arrived(served, "items", (life + 1) * 100)
            if life == 1:
                # In the midst of what was set aside.
                served.kinesis.create_stream("public-orders", shards=2)

                async def some_have_arrived() -> bool:
                    return len(stored(served, "orders")) > 0

                await eventually(some_have_arrived, within_seconds=30)
            if life == 2:
                await arrived(served, "orders", changes)
            await listener.kill()
    assert_in_order(served, "orders")
    assert_in_order(served, "items")
    await Operator(env, tmp_path).says("listen", "--once")
    assert await letters(database) == []


@pytest.mark.usefixtures("eager")
async def test_a_renamed_tables_letters_are_sent_before_its_newer_changes(database: Database, served: Served) -> None:
    served.kinesis.create_stream("public-orders2", shards=2)
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await execute(database, "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 5) AS id")
        await set_aside(database, 5)
        await execute(database, "ALTER TABLE orders RENAME TO orders2", "UPDATE orders2 SET note = 'b'")
        await arrived(served, "orders2", 10)
        assert_in_order(served, "orders2")
        served.kinesis.create_stream("public-orders")
        await execute(database, "ALTER TABLE orders2 RENAME TO orders", "UPDATE orders SET note = 'c'")
        await arrived(served, "orders", 5)
    assert await letters(database) == []


async def test_a_renamed_tables_newer_changes_wait_for_those_that_wait_for_its_old_stream(
    database: Database, served: Served, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.delivery.schedules.routed.STRAND_SECONDS", 2.0)
    served.kinesis.create_stream("public-orders2", shards=2)
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await execute(
            database,
            "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 5) AS id",
            "INSERT INTO items VALUES (1)",
        )
        await arrived(served, "items", 1)
        # What was inserted is in memory, and no letter yet.
        await execute(database, "ALTER TABLE orders RENAME TO orders2", "UPDATE orders2 SET note = 'b'")
        await arrived(served, "orders2", 10)
    assert_in_order(served, "orders2")
    assert await letters(database) == []


async def test_a_table_that_is_renamed_before_a_kill_has_its_letters_sent_before_its_newer_changes(
    database: Database, served: Served, tmp_path: Path
) -> None:
    env = {
        **CREDENTIALS,
        "FORWARDER_DATABASE_URL": database.url,
        "FORWARDER_SINK": routed(served),
        "FORWARDER_LISTEN_MAX_EVENTS": "50",
        "FORWARDER_LISTEN_PAGE_ROWS": "20",
    }
    served.kinesis.create_stream("public-orders2", shards=2)
    async with command("listen", env=env, directory=tmp_path / "killed", module="tests.hasty") as listener:
        await listener.says("listening")
        # More than the memory takes, so that they become letters at once.
        await execute(database, "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 100) AS id")
        await set_aside(database, 100)
        await execute(database, "ALTER TABLE orders RENAME TO orders2", "UPDATE orders2 SET note = 'b'")

        async def some_have_arrived() -> bool:
            return len(stored(served, "orders2")) > 0

        await eventually(some_have_arrived)
        await listener.kill()
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await arrived(served, "orders2", 200)

        async def are_dropped() -> bool:
            return await letters(database) == []

        await eventually(are_dropped)
    assert_in_order(served, "orders2")


@pytest.mark.usefixtures("eager")
async def test_letters_that_are_refused_while_they_are_sent_again_are_not_overtaken_by_later_ones(
    database: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("store.dead_letters", "store.stranded", "listen.revival"):
        monkeypatch.setattr(f"forwarder.{user}.BATCH_LETTERS", 60)
    refused = Error(
        operation="PutRecords", stream="public-orders", error_code="AccessDeniedException", every=3, times=3
    )
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await execute(
            database,
            "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 20) AS id",
            *[f"UPDATE orders SET note = 'b{number}'" for number in range(29)],
        )
        await set_aside(database, 600)
        served.kinesis.faults.replace([refused])
        served.kinesis.create_stream("public-orders")
        await arrived(served, "orders", 600)
    assert_in_order(served, "orders")
    assert await letters(database) == []


@pytest.mark.usefixtures("eager")
async def test_a_stream_that_is_parked_while_its_letters_are_asked_for_is_not_opened_before_they_are_sent(
    database: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, hold = stranded.waiting, Routed.hold
    schedules: list[Routed] = []
    has_filled = False

    def noted_hold(schedule: Routed, stream: str) -> None:
        schedules.append(schedule)
        hold(schedule, stream)

    async def is_parked() -> bool:
        return not schedules[0].is_held("public-orders")

    async def look_while_memory_fills(*arguments: Any, **options: Any) -> Sequence[int]:
        nonlocal has_filled
        seqs = await waiting(*arguments, **options)
        if schedules and not seqs and not has_filled:
            has_filled = True
            await execute(database, "UPDATE orders SET note = 'b'")
            await eventually(is_parked)
        return seqs

    monkeypatch.setattr(Routed, "hold", noted_hold)
    monkeypatch.setattr(stranded, "waiting", look_while_memory_fills)
    async with listening(database.url, routed(served), page_rows=20, max_events=50) as service:
        await leads(service)
        await execute(database, "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 100) AS id")
        await set_aside(database, 100)
        served.kinesis.create_stream("public-orders", shards=2)
        await arrived(served, "orders", 200)
        assert has_filled
    assert_in_order(served, "orders")
    assert await letters(database) == []


@pytest.mark.usefixtures("eager")
async def test_letters_that_are_replayed_while_they_wait_for_their_stream_are_sent_in_order(
    database: Database, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.store.stranded.BATCH_LETTERS", 50)
    monkeypatch.setattr("forwarder.listen.revival.BATCH_LETTERS", 50)
    operator = Operator({**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url}, tmp_path)
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await execute(
            database,
            "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 20) AS id",
            *[f"UPDATE orders SET note = 'b{number}'" for number in range(19)],
        )
        await set_aside(database, 400)
        await operator.says("replay", "--sink", "default", "--from", "200", "--table", "public.orders")
        served.kinesis.create_stream("public-orders")
        await arrived(served, "orders", 400)
        await none_left(database)
    assert_in_order(served, "orders")


@pytest.mark.usefixtures("eager")
async def test_a_replay_in_which_the_stream_refuses_us_for_a_while_ends_with_the_last_change_of_each_row(
    database: Database, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.sinks.kinesis.routing.MOST_BARRED_SECONDS", 1.0)
    monkeypatch.setattr("forwarder.listen.redelivery.INTERVAL_SECONDS", 1.0)
    # Fewer are refused than are to be sent.
    monkeypatch.setattr("forwarder.store.dead_letters.BATCH_LETTERS", 20)
    monkeypatch.setattr("forwarder.store.stranded.BATCH_LETTERS", 10)
    monkeypatch.setattr("forwarder.listen.revival.BATCH_LETTERS", 10)
    served.kinesis.create_stream("public-orders")
    operator = Operator({**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url}, tmp_path)
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await execute(
            database,
            "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 10) AS id",
            *[f"UPDATE orders SET note = 'b{number}'" for number in range(19)],
        )
        await arrived(served, "orders", 200)
        served.kinesis.faults.replace(
            [Error(operation="PutRecords", stream="public-orders", error_code="AccessDeniedException")]
        )
        await operator.says("replay", "--sink", "default", "--from", "oldest", "--table", "public.orders")

        async def some_are_set_aside() -> bool:
            return "no-stream" in dict(await letters(database))

        await eventually(some_are_set_aside, within_seconds=30)
        served.kinesis.faults.replace([])
        await none_left(database)
    last = {key: record["seq"] for key, record in stored(served, "orders")}
    assert sorted(last.values()) == list(range(191, 201))


@pytest.mark.usefixtures("eager")
async def test_a_replay_does_not_wait_for_that_of_a_table_whose_stream_is_missing(
    database: Database, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.listen.redelivery.INTERVAL_SECONDS", 1.0)
    monkeypatch.setattr("forwarder.store.dead_letters.BATCH_LETTERS", 5)
    served.kinesis.create_stream("public-orders")
    operator = Operator({**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url}, tmp_path)
    async with listening(database.url, routed(served)) as service, client_of(served) as client:
        await leads(service)
        await execute(
            database,
            "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 300) AS id",
            "INSERT INTO items VALUES (1)",
        )
        await arrived(served, "orders", 300)
        await arrived(served, "items", 1)
        await client.delete_stream(StreamName="public-orders")
        await warned(service, "public-orders")
        for table in TABLES:
            await operator.says("replay", "--sink", "default", "--from", "oldest", "--table", f"public.{table}")

        async def items_came_again() -> bool:
            return len(stored(served, "items")) > 1

        await eventually(items_came_again)


@pytest.mark.usefixtures("eager")
async def test_of_letters_that_are_to_be_sent_again_none_goes_before_an_older_one_that_nobody_has_asked_for(
    database: Database, served: Served
) -> None:
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await execute(
            database,
            "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 20) AS id",
            *[f"UPDATE orders SET note = 'b{number}'" for number in range(19)],
        )
        await set_aside(database, 400)
    # As `forwarder dead-letters retry` does. An earlier release that was killed while it sent them has left them so, too.
    await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now() WHERE seq > 200")
    served.kinesis.create_stream("public-orders")
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await none_left(database)
    await arrived(served, "orders", 400)
    assert_in_order(served, "orders")


@pytest.mark.usefixtures("eager")
async def test_letters_beyond_the_position_wait_for_the_older_changes_of_their_rows(
    database: Database, served: Served, tmp_path: Path
) -> None:
    operator = Operator({**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url}, tmp_path)
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await execute(
            database,
            "INSERT INTO items SELECT id, 'a' FROM generate_series(1, 500) AS id",
            "INSERT INTO orders SELECT id, 'a' FROM generate_series(1, 20) AS id",
            *[f"UPDATE orders SET note = 'b{number}'" for number in range(19)],
        )
        await set_aside(database, 400)
        await arrived(served, "items", 500)
    # As a leader leaves it that stores newer letters while older changes are in its memory, and is killed before it can save the position.
    await execute(database, "DELETE FROM forwarder.dead_letter WHERE seq <= 700")
    await operator.says("replay", "--sink", "default", "--from", "oldest")
    served.kinesis.create_stream("public-orders")
    # It takes some seconds to come to the older ones.
    served.kinesis.faults.replace([Delay(operation="PutRecords", stream="public-items", seconds=0.5, times=10)])
    async with listening(database.url, routed(served), page_rows=50, max_events=50) as service:
        await leads(service)
        await arrived(served, "orders", 400)
        await none_left(database)
    assert_in_order(served, "orders")


@pytest.mark.usefixtures("eager")
async def test_letters_behind_a_lane_that_is_halted_hold_up_no_other_table(
    database: Database, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter_again = Buffer.enter_again
    has_entered = anyio.Event()

    def noted_enter_again(buffer: Buffer, packed: Packed) -> None:
        enter_again(buffer, packed)
        if packed.records:
            has_entered.set()

    monkeypatch.setattr(Buffer, "enter_again", noted_enter_again)
    monkeypatch.setattr("forwarder.listen.redelivery.INTERVAL_SECONDS", 0.1)
    poison = Error(
        operation="PutRecords",
        stream="public-items",
        error_code="ValidationException",
        partition_keys=frozenset(["public.items.1"]),
    )
    async with listening(database.url, routed(served, "&on_poison=halt-lane")) as service:
        await leads(service)
        await execute(database, "INSERT INTO items VALUES (1, 'a')")
        await arrived(served, "items", 1)
        served.kinesis.faults.replace([poison])
        await execute(database, "UPDATE items SET note = 'b'", "INSERT INTO orders VALUES (1)")
        [state] = service.states.values()

        async def is_halted() -> bool:
            return bool(state.halt)

        await eventually(is_halted)
        await set_aside(database, 1)
        async with connected(database.url) as owner:
            # As `forwarder replay --table` does.
            await owner.execute(query("replay_changes"), "default", [1], [1], [1])

        with anyio.fail_after(60):
            await has_entered.wait()
        served.kinesis.create_stream("public-orders")
        await arrived(served, "orders", 1)
        served.kinesis.faults.replace([])
        await none_left(database)


@pytest.mark.usefixtures("eager")
async def test_a_letter_that_waits_for_a_stream_which_is_open_is_sent_all_the_same(
    database: Database, served: Served
) -> None:
    async with listening(database.url, routed(served)) as service:
        await leads(service)
        await execute(database, "INSERT INTO items VALUES (1, 'a')")
        await arrived(served, "items", 1)
        async with connected(database.url) as owner, owner.transaction():
            await owner.execute(query("replay_changes"), "default", [1], [1], [1])
            await owner.execute("UPDATE forwarder.dead_letter SET code = 'no-stream', retry_at = NULL")
        await none_left(database)
    assert len(stored(served, "items")) == 2


async def none_left(database: Database) -> None:
    """Wait until there is no letter any more."""

    async def are_dropped() -> bool:
        return await letters(database) == []

    await eventually(are_dropped, within_seconds=30)
