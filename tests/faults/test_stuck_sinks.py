"""A sink that hangs for whatever reason is seen from outside, and goes on when it can."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
import asyncpg
import pytest

from forwarder.aws import call
from forwarder.config import sink_url
from forwarder.config.sink_url import KinesisTarget
from forwarder.errors import Unavailable
from forwarder.listen import stall, watchdog
from forwarder.records.record import Attachment
from forwarder.sinks.claim_check import attachments_of
from tests.cases import some
from tests.databases import Database
from tests.large import Whole
from tests.ledger import Ledger, write, write_rows
from tests.listening import CREDENTIALS, complains, leads, listening
from tests.support.misbehaving import ANY, Drip, Late, Misbehaving, Silence, StopReading, TooLargeAbove, misbehaving
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    async with misbehaving() as server:
        yield server


def sink_of(server: Misbehaving) -> str:
    return f"kinesis://changes?region=us-east-1&endpoint_url={server.url}"


async def all_stored(server: Misbehaving, count: int) -> None:
    async def stored() -> bool:
        return len(server.stored) >= count

    await eventually(stored, within_seconds=30)


async def test_a_sink_that_acknowledges_nothing_is_in_trouble_whatever_the_cause(
    server: Misbehaving, database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stall, "STILL_SECONDS", 0.5)
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.05)
    server.always("PutRecords", Silence())
    async with listening(database.url, sink_of(server), stop_timeout_seconds=1) as service:
        await leads(service)
        await write(ledger, database.writer_url, transactions=5)
        await complains(service, "nothing was acknowledged")


@pytest.mark.parametrize("behaviour", some(Silence(), of=[StopReading(), Silence(), Drip()]))
async def test_a_hanging_peer_is_named_and_everything_arrives_once_it_is_well(
    server: Misbehaving,
    database: Database,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: StopReading | Silence | Drip,
) -> None:
    monkeypatch.setattr(call, "CALL_SECONDS", 0.5)
    server.always("PutRecords", behaviour)
    async with listening(database.url, sink_of(server)) as service:
        await leads(service)
        await write(ledger, database.writer_url, transactions=20)
        await complains(service, "not done within")
        server.behave()
        await all_stored(server, 20)

        async def well() -> bool:
            return all(state.ready for state in service.states.values())

        await eventually(well)


async def test_a_request_that_is_not_answered_in_time_may_be_stored_late_as_a_repeat_behind_newer_records(
    server: Misbehaving, database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "CALL_SECONDS", 0.5)
    async with listening(database.url, sink_of(server)) as service:
        await leads(service)
        server.next("PutRecords", Late())
        await write_rows(ledger, database.url, 5000)
        await all_stored(server, 1)
        connection = await asyncpg.connect(database.writer_url)
        await connection.execute("DELETE FROM account WHERE id = 5000")
        await connection.close()
        await all_stored(server, 2)
        server.thaw()
        await all_stored(server, 3)
    inserted, deleted, late = (json.loads(data) for _, data in server.records)
    assert (inserted["op"], deleted["op"]) == ("insert", "delete")
    assert late == inserted
    assert late["seq"] < deleted["seq"]


@pytest.mark.parametrize("body", [b"", b"<html>"])
async def test_requests_too_large_for_a_gateway_arrive_in_smaller_ones(
    server: Misbehaving, database: Database, ledger: Ledger, body: bytes
) -> None:
    server.always("PutRecords", TooLargeAbove(size=3_000, body=body))
    await write(ledger, database.writer_url, transactions=100)
    async with listening(database.url, sink_of(server)) as service:
        await leads(service)
        await all_stored(server, 100)
    # What was learnt is remembered: most requests fit at once.
    sizes = [len(request.body) for request in server.asked("PutRecords")]
    assert sum(size > 3_000 for size in sizes) < len(sizes) / 2


@pytest.mark.parametrize("behaviour", [StopReading(), Silence(), Drip()])
async def test_a_bucket_that_hangs_costs_an_object_its_deadline(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, behaviour: StopReading | Silence | Drip
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    target = sink_url.parse(f"{sink_of(server)}&oversize=s3://bucket/large").target
    assert isinstance(target, KinesisTarget)
    async with attachments_of(target) as attachments:
        await attachments.prepare()
        monkeypatch.setattr(call, "CALL_SECONDS", 0.3)
        server.always(ANY, behaviour)
        large = Attachment(bucket="bucket", key="large/1", body=Whole(b"x" * (4 << 20)))
        with anyio.fail_after(30), pytest.raises(Unavailable, match="not done within"):
            await attachments.put(large)
        server.behave()
        monkeypatch.undo()
        await attachments.put(large)
