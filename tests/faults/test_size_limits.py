"""Somebody on the way to the stream has a limit for the size of a request: what fits arrives, in order, and nothing good is set aside."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.cases import some
from tests.databases import Database
from tests.kpl_oracle import kpl_oracle
from tests.ledger import Ledger, all_delivered, audit, write, write_rows
from tests.listening import CREDENTIALS, complains, leads, listening
from tests.support.misbehaving import Answer, ByContent, Misbehaving, Request, TooLargeAbove, answer, misbehaving
from tests.waiting import eventually

LIMIT = 8 << 10
KPL = "&partition_key=table&aggregation=kpl"
REFUSAL = answer({"__type": "ValidationException", "message": "odd"}, status=400)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    async with misbehaving() as server:
        yield server


def sink_of(server: Misbehaving, options: str = "") -> str:
    return f"kinesis://changes?region=us-east-1&endpoint_url={server.url}{options}"


def arrived(server: Misbehaving) -> list[bytes]:
    """What a consumer with the library of AWS reads, in the order of the stream."""
    with kpl_oracle() as oracle:
        return [base64.b64decode(user["data"]) for record in server.records for user in oracle.decode(*record)]


async def letters(database: Database) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(database.url)
    try:
        return [
            tuple(row)
            for row in await connection.fetch("SELECT code, partition_key FROM forwarder.dead_letter ORDER BY seq")
        ]
    finally:
        await connection.close()


def refusing(*ids: int) -> ByContent:
    """As a stream that refuses any request for the changes of some rows, and does not say for which."""
    patterns = [re.compile(rb'"key":{"id":%d}' % identity) for identity in ids]

    def choose(request: Request) -> Answer | None:
        data = b"".join(data for _, data in request.records)
        return REFUSAL if any(pattern.search(data) for pattern in patterns) else None

    return ByContent(choose=choose)


@pytest.mark.parametrize("options", some("", KPL, of=["", "&partition_key=table", KPL]))
async def test_behind_a_gateway_with_a_limit_everything_arrives_in_order_and_nothing_is_set_aside(
    server: Misbehaving, database: Database, ledger: Ledger, options: str
) -> None:
    server.always("PutRecords", TooLargeAbove(size=LIMIT))
    await write_rows(ledger, database.url, *range(1000, 1300), note="x" * 600)
    await write(ledger, database.writer_url, transactions=30)
    async with listening(database.url, sink_of(server, options)) as service:
        await leads(service)
        await all_delivered(ledger, lambda: arrived(server))
    assert not await letters(database)
    # Whatever was refused was not stored, so nothing came twice.
    assert len(arrived(server)) == ledger.changes
    if options == KPL:
        assert len(server.records) < ledger.changes / 3


async def test_without_order_everything_arrives_behind_a_gateway_with_a_limit(
    server: Misbehaving, database: Database, ledger: Ledger
) -> None:
    server.always("PutRecords", TooLargeAbove(size=LIMIT))
    await write_rows(ledger, database.url, *range(1000, 1300), note="x" * 600)
    async with listening(database.url, sink_of(server, "&ordering=none")) as service:
        await leads(service)

        async def all_there() -> bool:
            return not audit(ledger, arrived(server)).findings.lost

        await eventually(all_there, within_seconds=30)
    assert not await letters(database)
    assert len(server.records) == ledger.changes


async def test_of_an_aggregate_that_is_refused_only_the_change_that_is_at_fault_is_set_aside(
    server: Misbehaving, database: Database, ledger: Ledger
) -> None:
    server.always("PutRecords", refusing(1100))
    await write_rows(ledger, database.url, *range(1000, 1300))
    async with listening(database.url, sink_of(server, KPL)) as service:
        await leads(service)

        async def delivered() -> bool:
            return audit(ledger, arrived(server)).lost_ids == {1100}

        await eventually(delivered, within_seconds=30)
    assert len(await letters(database)) == 1
    assert len(server.asked("PutRecords")) < 50


async def test_a_gateway_that_refuses_everything_for_a_while_is_an_outage_and_condemns_nothing(
    server: Misbehaving, database: Database, ledger: Ledger
) -> None:
    await write_rows(ledger, database.url, *range(1000, 1400))
    server.always("PutRecords", Answer(status=413))
    async with listening(database.url, sink_of(server)) as service:
        await leads(service)
        await complains(service, "is refused, too")
        server.behave()
        await all_delivered(ledger, lambda: arrived(server))
        asked = len(server.asked("PutRecords"))
        # What was learnt in the outage is forgotten: requests are as large as before.
        await write_rows(ledger, database.url, *range(2000, 2400))
        await all_delivered(ledger, lambda: arrived(server))
        assert len(server.asked("PutRecords")) - asked < 20
        assert all(state.ready for state in service.states.values())
    assert not await letters(database)


async def test_an_outage_that_says_413_divides_aggregates_no_further_than_their_heads(
    server: Misbehaving, database: Database, ledger: Ledger
) -> None:
    await write_rows(ledger, database.url, *range(1000, 2000))
    server.always("PutRecords", Answer(status=413))
    async with listening(database.url, sink_of(server, KPL)) as service:
        await leads(service)
        await complains(service, "is refused, too")
        server.behave()
        await all_delivered(ledger, lambda: arrived(server))
    assert not await letters(database)
    assert len(server.records) < 40


async def test_a_change_that_is_too_large_for_the_gateway_is_set_aside_after_its_trial_and_no_other(
    server: Misbehaving, database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.sinks.kinesis.request_limit.TRIAL_SECONDS", 0.5)
    monkeypatch.setattr("forwarder.sinks.kinesis.request_limit.RETRY_SECONDS", 0.05)
    server.always("PutRecords", TooLargeAbove(size=LIMIT))
    await write_rows(ledger, database.url, *range(1000, 1100))
    await write_rows(ledger, database.url, 5000, note="x" * LIMIT)
    async with listening(database.url, sink_of(server)) as service:
        await leads(service)
        for first in range(2000, 4000, 10):
            await write_rows(ledger, database.writer_url, *range(first, first + 10))
            if await letters(database):
                break

        async def delivered() -> bool:
            return audit(ledger, arrived(server)).lost_ids == {5000}

        await eventually(delivered, within_seconds=30)
        assert all(state.ready for state in service.states.values())
    assert await letters(database) == [("RequestEntityTooLarge", "public.account.5000")]


@pytest.mark.parametrize("options", ["&partition_key=table", KPL])
async def test_a_change_that_is_too_large_for_the_gateway_is_set_aside_although_all_else_waits_behind_it(
    server: Misbehaving, database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    monkeypatch.setattr("forwarder.sinks.kinesis.request_limit.TRIAL_SECONDS", 0.5)
    server.always("PutRecords", TooLargeAbove(size=LIMIT))
    await write_rows(ledger, database.url, 5000, note="x" * LIMIT)
    await write_rows(ledger, database.url, *range(1000, 1050))
    async with listening(database.url, sink_of(server, options)) as service:
        await leads(service)

        async def delivered() -> bool:
            return audit(ledger, arrived(server)).lost_ids == {5000}

        await eventually(delivered, within_seconds=30)
    assert await letters(database) == [("RequestEntityTooLarge", "public.account")]
