"""A change that the stream will not have is set aside, and nothing else waits for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from forwarder.database.sessions import session
from forwarder.listen.service import Service
from forwarder.local.kinesis.faults import Error, FailRecords
from forwarder.store import dead_letters
from tests.buckets import BUCKET, bucket, s3_server, stuck_s3
from tests.databases import Database
from tests.ledger import Ledger, Missing, all_delivered, write, write_rows
from tests.listening import STREAM, Served, leads, listening
from tests.waiting import eventually

LARGE = "x" * (1 << 20)
MEDIUM = "x" * (700 << 10)
# The images have less than a mebibyte and are read with their page; the record has more.
BARELY = "x" * ((1 << 20) - 100)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A halted lane, and a letter that is to be sent again, wait for a tenth of a second instead of several."""
    monkeypatch.setattr("forwarder.delivery.retries.REFUSED_SECONDS", 0.1)
    monkeypatch.setattr("forwarder.listen.redelivery.INTERVAL_SECONDS", 0.1)


async def letters(database: Database, what: str = "seq") -> list[Any]:
    connection = await asyncpg.connect(database.url)
    try:
        return [row[0] for row in await connection.fetch(f"SELECT {what} FROM forwarder.dead_letter ORDER BY seq")]
    finally:
        await connection.close()


async def execute(database: Database, statement: str) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def bodies(served: Served) -> list[dict[str, Any]]:
    return [json.loads(data) for data in served.data()]


def poison(*ids: int) -> Error:
    return Error(
        operation="PutRecords",
        error_code="ValidationException",
        partition_keys=frozenset(f"public.account.{identity}" for identity in ids),
    )


async def delivered_but(served: Served, ledger: Ledger, *ids: int) -> None:
    """Wait until all is delivered but what was done to these rows."""
    missing = Missing(ledger, served.data)

    async def arrived() -> bool:
        return missing.ids() == set(ids)

    await eventually(arrived, within_seconds=30)


async def set_aside(database: Database, count: int) -> None:
    async def kept() -> bool:
        return len(await letters(database)) == count

    await eventually(kept, within_seconds=20)


async def test_a_request_refused_for_one_record_sets_that_aside_and_delivers_the_others(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.faults.replace([poison(7)])
    await write_rows(ledger, database.writer_url, *range(100, 400))
    await execute(database, "UPDATE account SET version = version + 1 WHERE id = 7")
    async with listening(database.url, served.sink) as service:
        await delivered_but(served, ledger)
        await set_aside(database, 1)
        assert await letters(database, "code") == ["ValidationException"]
        assert service.states["default"].ready


async def test_a_single_record_that_the_stream_rejects_for_good_is_set_aside(
    database: Database, ledger: Ledger, served: Served
) -> None:
    rejecting = FailRecords(partition_keys=frozenset({"public.account.100"}), error_code="InvalidArgumentException")
    served.kinesis.faults.replace([rejecting])
    await write_rows(ledger, database.writer_url, *range(100, 130))
    async with listening(database.url, served.sink):
        await delivered_but(served, ledger, 100)
        await set_aside(database, 1)


async def test_a_change_above_the_streams_limit_is_set_aside_and_its_row_goes_on(
    database: Database, ledger: Ledger, served: Served
) -> None:
    await write_rows(ledger, database.writer_url, 100, note=LARGE)
    await write_rows(ledger, database.writer_url, *range(101, 120))
    await execute(database, "UPDATE account SET note = NULL WHERE id = 100")
    await execute(database, "UPDATE account SET version = 2 WHERE id = 100")
    async with listening(database.url, served.sink) as service:
        await set_aside(database, 2)
        assert await letters(database, "code") == ["oversize", "oversize"]
        await delivered_but(served, ledger, 100)

        async def later_change_arrived() -> bool:
            return any(body["key"] == {"id": 100} for body in bodies(served))

        await eventually(later_change_arrived)
        assert service.states["default"].ready


async def test_a_letter_keeps_the_whole_change_and_its_place_in_the_transaction(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.faults.replace([poison(101)])
    await write_rows(ledger, database.writer_url, 100, 101, 102, note="a note")
    async with listening(database.url, served.sink):
        await set_aside(database, 1)
    assert await letters(database, "(tx_index, tx_count)") == [(2, 3)]
    assert await letters(database, "after::jsonb") == ['{"id": 101, "note": "a note", "version": 1}']


async def test_a_change_that_is_met_again_after_a_crash_has_one_letter(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.faults.replace([poison(100)])
    await write_rows(ledger, database.writer_url, 100, 101)
    for attempt in (1, 2):
        async with listening(database.url, served.sink):
            await eventually(attempts_are(database, attempt), within_seconds=20)
        # As if the position had never been saved.
        await execute(database, "DELETE FROM forwarder.sink")


def attempts_are(database: Database, *attempts: int) -> Any:
    async def are() -> bool:
        return await letters(database, "attempts") == [*attempts]

    return are


async def test_a_letter_that_is_retried_arrives_with_its_id_and_is_gone(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.faults.replace([poison(100)])
    await write_rows(ledger, database.writer_url, 100, 101)
    async with listening(database.url, served.sink):
        await set_aside(database, 1)
        served.kinesis.faults.replace([])
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await set_aside(database, 0)
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0


async def test_a_letter_that_is_retried_in_vain_stays_and_waits_for_the_operator(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.faults.replace([poison(100)])
    await write_rows(ledger, database.writer_url, 100, 101)
    async with listening(database.url, served.sink):
        await set_aside(database, 1)
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")

        async def tried_again() -> bool:
            return await letters(database, "(attempts, retry_at IS NULL)") == [(2, True)]

        await eventually(tried_again, within_seconds=20)


async def test_a_letter_that_is_asked_for_again_before_those_it_was_sent_with_are_delivered_is_kept(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async def refused_again() -> bool:
        return await letters(database, "attempts") == [2, 1]

    async with listening(database.url, served.sink):
        served.kinesis.faults.replace([poison(107, 108)])
        await write_rows(ledger, database.writer_url, 107, 108)
        await set_aside(database, 2)
        throttled = FailRecords(partition_keys=frozenset({"public.account.108"}))
        served.kinesis.faults.replace([poison(107), throttled])
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await eventually(refused_again, within_seconds=20)
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        served.kinesis.faults.replace([poison(107)])
        await delivered_but(served, ledger, 107)
        await set_aside(database, 1)
        served.kinesis.faults.replace([])
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await set_aside(database, 0)
        await all_delivered(ledger, served.data)


async def test_with_halt_lane_the_poisoned_row_waits_until_the_stream_takes_it(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.faults.replace([poison(100)])
    await write_rows(ledger, database.writer_url, *range(100, 130))
    async with listening(database.url, f"{served.sink}&on_poison=halt-lane") as service:
        await write(ledger, database.writer_url, transactions=20)
        await delivered_but(served, ledger, 100)
        assert not await letters(database)
        # What others deliver meanwhile hides nothing.
        assert "its lane waits" in (service.states["default"].reason or "")
        served.kinesis.faults.replace([])
        await all_delivered(ledger, served.data)
        await eventually(is_ready(service))


@pytest.mark.parametrize("on_poison", ["halt-lane", "dead-letter"])
async def test_letters_that_are_refused_again_hold_up_no_others_that_are_to_be_sent_again(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch, on_poison: str
) -> None:
    served.kinesis.faults.replace([poison(*range(100, 111))])
    await write_rows(ledger, database.writer_url, *range(100, 111))
    async with listening(database.url, served.sink):
        await set_aside(database, 11)
    monkeypatch.setattr("forwarder.delivery.quarantine.MAX_IN_A_ROW", 5)
    # So that each waits for the one before.
    monkeypatch.setattr("forwarder.store.dead_letters.BATCH_LETTERS", 1)
    served.kinesis.faults.replace([poison(*range(100, 110))])
    async with listening(database.url, f"{served.sink}&on_poison={on_poison}") as service:
        await leads(service)
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await set_aside(database, 10)
        await delivered_but(served, ledger, *range(100, 110))
        assert set(await letters(database, "retry_at IS NULL")) == {True}
        assert service.states["default"].ready


async def test_a_stream_that_refuses_every_record_is_waited_for_and_not_emptied_into_dead_letters(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.delivery.quarantine.MAX_IN_A_ROW", 5)
    served.kinesis.faults.replace([Error(operation="PutRecords", error_code="ValidationException")])
    await write_rows(ledger, database.writer_url, *range(100, 160))
    async with listening(database.url, served.sink) as service:
        await eventually(in_trouble(service), within_seconds=20)
        await set_aside(database, 5)
        served.kinesis.faults.replace([])
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await set_aside(database, 0)
        await all_delivered(ledger, served.data)


def in_trouble(service: Service) -> Any:
    async def is_in_trouble() -> bool:
        return "refuses records for good" in (service.states["default"].trouble or "")

    return is_in_trouble


async def test_drop_before_sends_a_change_without_its_old_image(
    database: Database, ledger: Ledger, served: Served
) -> None:
    await write_rows(ledger, database.writer_url, 100, note=MEDIUM)
    await execute(database, "UPDATE account SET version = 2 WHERE id = 100")
    async with listening(database.url, f"{served.sink}&oversize=drop-before"):
        await served.kinesis.wait_for_records(2, stream=STREAM)
    inserted, updated = bodies(served)
    assert inserted["after"]["note"] == MEDIUM
    assert updated["before"] is None
    assert updated["omitted"] == ["before"]
    assert updated["after"]["version"] == 2
    assert not await letters(database)


async def test_a_letter_that_is_still_too_large_is_set_aside_again_even_where_delivery_stops_before_such_changes(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async def tried_again() -> bool:
        return await letters(database, "(attempts, code, retry_at IS NULL)") == [(2, "oversize", True)]

    await write_rows(ledger, database.writer_url, 100, note=LARGE)
    async with listening(database.url, served.sink):
        await set_aside(database, 1)
    async with listening(database.url, f"{served.sink}&oversize=stop") as service:
        await leads(service)
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await eventually(tried_again, within_seconds=20)
        await write_rows(ledger, database.writer_url, 101)
        await delivered_but(served, ledger, 100)
        assert service.states["default"].ready


async def test_letters_are_sent_again_while_delivery_stops_before_a_large_change(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.faults.replace([poison(100)])
    await write_rows(ledger, database.writer_url, *range(100, 103))
    async with listening(database.url, f"{served.sink}&oversize=stop") as service:
        await set_aside(database, 1)
        await write_rows(ledger, database.writer_url, 200, note=LARGE)

        async def has_stopped() -> bool:
            return service.states["default"].standstill is not None

        await eventually(has_stopped)
        served.kinesis.faults.replace([])
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await delivered_but(served, ledger, 200)
        await set_aside(database, 0)
        assert not service.states["default"].ready


async def test_a_letter_of_a_very_large_transaction_says_of_its_place_what_its_record_said(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.outbox.transaction_counts.MAX_TOTAL", 50)
    served.kinesis.faults.replace([poison(150)])
    await write_rows(ledger, database.writer_url, *range(100, 200))
    async with listening(database.url, served.sink, page_rows=20):
        await delivered_but(served, ledger, 150)
        await set_aside(database, 1)
        assert await letters(database, "(tx_index, tx_count)") == [(51, None)]
        served.kinesis.faults.replace([])
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await all_delivered(ledger, served.data)
    assert {body["tx"]["index"]: body["tx"]["count"] for body in bodies(served)} == {
        **dict.fromkeys(range(1, 100)),
        100: 100,
    }


CONTEXT = 'SELECT set_config(\'forwarder.context\', \'{"user":"ada","sum":1.10}\', true)'


async def test_a_letter_that_is_sent_again_has_the_context_of_its_transaction_and_what_a_trigger_had_to_say(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.faults.replace([poison(100)])
    await execute(database, f"BEGIN; {CONTEXT}; INSERT INTO account (id, version) VALUES (100, 1); COMMIT")
    await execute(database, """UPDATE forwarder.outbox SET extra = '"changed":["version"]'""")
    async with listening(database.url, served.sink):
        await set_aside(database, 1)
        async with session(database.url, purpose="test") as operator:
            [[letter]] = [page async for page in dead_letters.find(operator)]
            shown = json.loads(await dead_letters.read(operator, letter))
        # It is refused again, and stays as it is.
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await eventually(tried(database, 2))
        await execute(database, "TRUNCATE forwarder.outbox")
        served.kinesis.faults.replace([])
        await execute(database, "UPDATE forwarder.dead_letter SET retry_at = now()")
        await served.kinesis.wait_for_records(1, stream=STREAM)
    assert (shown["context"], shown["extra"]) == ('{"user":"ada","sum":1.10}', {"changed": ["version"]})
    [line] = served.data()
    assert line.endswith(b'},"context":{"user":"ada","sum":1.10},"changed":["version"]}')


def tried(database: Database, attempts: int) -> Callable[[], Awaitable[bool]]:
    async def has_tried() -> bool:
        return await letters(database, "attempts") == [attempts]

    return has_tried


async def test_a_large_row_that_the_stream_takes_has_its_context(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.stream(STREAM).settings.max_record_kib = 4096
    large = "repeat('x', 2 << 20)"
    await execute(
        database, f"BEGIN; {CONTEXT}; INSERT INTO account (id, version, note) VALUES (100, 1, {large}); COMMIT"
    )
    async with listening(database.url, served.sink):
        await served.kinesis.wait_for_records(1, stream=STREAM)
    [line] = served.data()
    assert json.loads(line)["after"]["note"] == "x" * (2 << 20)
    assert line.endswith(b'},"context":{"user":"ada","sum":1.10}}')


async def test_a_record_that_only_its_context_makes_too_large_is_set_aside(
    database: Database, ledger: Ledger, served: Served
) -> None:
    note = "x" * ((1 << 20) - 40_000)
    await write_rows(ledger, database.writer_url, 100, note=note)
    context = "SELECT set_config('forwarder.context', repeat('y', 60000), true)"
    await execute(
        database, f"BEGIN; {context}; INSERT INTO account (id, version, note) VALUES (101, 1, '{note}'); COMMIT"
    )
    async with listening(database.url, served.sink):
        await set_aside(database, 1)
        await served.kinesis.wait_for_records(1, stream=STREAM)
    assert await letters(database, "(partition_key, code)") == [("public.account.101", "oversize")]
    assert [body["key"] for body in bodies(served)] == [{"id": 100}]


@pytest.fixture
async def s3(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    with s3_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        async with bucket(url) as client:
            yield client


@pytest.mark.parametrize("note", [LARGE, BARELY], ids=["large", "barely"])
async def test_with_s3_a_pointer_is_sent_and_the_whole_record_is_there_before_it(
    database: Database, ledger: Ledger, served: Served, s3: Any, note: str
) -> None:
    await write_rows(ledger, database.writer_url, 100, note=note)
    await write_rows(ledger, database.writer_url, 101)
    async with listening(database.url, f"{served.sink}&oversize={quote(f's3://{BUCKET}/changes')}"):
        await served.kinesis.wait_for_records(2, stream=STREAM)
        (pointer,) = [body for body in bodies(served) if body["key"] == {"id": 100}]
        bucket, _, key = pointer["stored_at"].removeprefix("s3://").partition("/")
        answer = await s3.get_object(Bucket=bucket, Key=key)
        stored = json.loads(await answer["Body"].read())
    assert (pointer["before"], pointer["after"], pointer["omitted"]) == (None, None, ["before", "after"])
    assert stored["after"]["note"] == note
    assert stored["id"] == pointer["id"]
    assert not await letters(database)


async def test_while_s3_does_not_take_the_record_its_pointer_waits_and_other_rows_go_on(
    database: Database, ledger: Ledger, served: Served, s3: Any
) -> None:
    sink = f"{served.sink}&oversize={quote(f's3://{BUCKET}/changes')}"
    async with listening(database.url, sink) as service:
        await leads(service)
        await s3.delete_bucket(Bucket=BUCKET)
        await write_rows(ledger, database.writer_url, 100, note=LARGE)
        await write_rows(ledger, database.writer_url, *range(101, 120))
        await served.kinesis.wait_for_records(19, stream=STREAM)
        assert not any(body["key"] == {"id": 100} for body in bodies(served))
        await s3.create_bucket(Bucket=BUCKET)
        await served.kinesis.wait_for_records(20, stream=STREAM)
    assert any(body["key"] == {"id": 100} for body in bodies(served))


async def test_what_is_taken_out_of_the_outbox_while_it_waits_for_s3_is_told_and_sent_without_its_row(
    database: Database, ledger: Ledger, served: Served, s3: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(database.url, f"{served.sink}&oversize={quote(f's3://{BUCKET}/changes')}") as service:
        await leads(service)
        await s3.delete_bucket(Bucket=BUCKET)
        await write_rows(ledger, database.writer_url, 100, note="x" * (6 << 20))
        await eventually(is_unready(service, f"s3://{BUCKET}"), within_seconds=20)
        await execute(database, "TRUNCATE forwarder.outbox")
        await s3.create_bucket(Bucket=BUCKET)
        await served.kinesis.wait_for_records(1, stream=STREAM)
        [pointer] = bodies(served)
        key = pointer["stored_at"].removeprefix(f"s3://{BUCKET}/")
        answer = await s3.get_object(Bucket=BUCKET, Key=key)
        stored = json.loads(await answer["Body"].read())
    assert (stored["op"], stored["key"], stored["after"], stored["fault"]) == ("insert", {"id": 100}, None, "02000")
    [told] = [record for record in caplog.records if "taken out of the outbox" in record.message]
    assert (vars(told)["seq"], vars(told)["table"]) == (pointer["seq"], "public.account")


@pytest.mark.parametrize(
    ("refuses", "note"),
    [
        pytest.param(False, LARGE, id="never answers, large"),
        pytest.param(True, BARELY, id="refuses, barely", marks=pytest.mark.long),
        pytest.param(False, BARELY, id="never answers, barely", marks=pytest.mark.long),
        pytest.param(True, LARGE, id="refuses, large", marks=pytest.mark.long),
    ],
)
async def test_while_s3_takes_nothing_everything_else_is_delivered_and_the_reason_is_told(
    database: Database,
    ledger: Ledger,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    refuses: bool,
    note: str,
) -> None:
    small = [identity for identity in range(100, 420) if identity % 20]
    async with stuck_s3(refuses=refuses) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
        monkeypatch.setattr("forwarder.aws.call.CALL_SECONDS", 2.0)
        for first in range(100, 420, 20):
            await write_rows(ledger, database.writer_url, first, note=note)
            await write_rows(ledger, database.writer_url, *range(first + 1, first + 20))
        sink = f"{served.sink}&oversize={quote(f's3://{BUCKET}/changes')}"
        # The objects together would fill the memory many times over, if they were in it.
        async with listening(database.url, sink, max_bytes=1 << 20, page_rows=50) as service:
            await served.kinesis.wait_for_records(len(small), stream=STREAM)
            assert sorted(body["key"]["id"] for body in bodies(served)) == small
            await eventually(is_unready(service, f"s3://{BUCKET}"), within_seconds=20)
            assert "large record not stored, trying again" in caplog.messages
            # What is delivered meanwhile hides nothing.
            await write_rows(ledger, database.writer_url, 1000)
            await served.kinesis.wait_for_records(len(small) + 1, stream=STREAM)
            assert not service.states["default"].ready

            s3.let_go()
            await served.kinesis.wait_for_records(len(small) + 1 + 16, stream=STREAM)
            await eventually(is_ready(service))


def is_unready(service: Service, reason: str) -> Callable[[], Awaitable[bool]]:
    async def unready() -> bool:
        state = service.states["default"]
        return not state.ready and reason in (state.reason or "")

    return unready


def is_ready(service: Service) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return service.states["default"].ready

    return ready
