"""A stream that is changed while we write to it: what would lose order or fit no more is noticed, and nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from forwarder.config.sink_url import KinesisTarget
from forwarder.errors import Refused
from forwarder.health import Phase, ServiceState
from forwarder.listen.service import Service
from forwarder.local.kinesis.faults import Error
from forwarder.metrics import Metrics
from forwarder.sinks.kinesis.sink import kinesis_sink
from tests.databases import Database
from tests.ledger import Ledger, all_delivered, audit, write, write_rows
from tests.listening import STREAM, Served, client_of, leads, listening, service_of, switch
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks every half minute; a test need not."""
    monkeypatch.setattr("forwarder.sinks.kinesis.stream_watch.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("forwarder.sinks.kinesis.stream_watch.LOOK_AGAIN_SECONDS", 0.05)


@pytest.fixture
def arn(served: Served) -> str:
    return served.kinesis.stream(STREAM).identity.arn


@pytest.fixture
async def operator(served: Served) -> AsyncIterator[Any]:
    async with client_of(served) as client:
        yield client


async def is_stopped(service: Service) -> None:
    """Wait until the service says that it must not deliver."""

    async def objects() -> bool:
        return not service.states["default"].ready and "ignores partition keys" in (
            service.states["default"].trouble or ""
        )

    await eventually(objects)


async def is_ready(service: Service) -> None:
    async def ready() -> bool:
        return service.states["default"].ready

    await eventually(ready)


async def test_a_stream_that_ignores_partition_keys_is_refused_at_start(
    database: Database, served: Served, operator: Any, arn: str
) -> None:
    await switch(operator, "AUTO", arn=arn)
    with pytest.raises(Refused) as refused, anyio.fail_after(10):
        await service_of(database.url, served.sink).run()
    assert "USER_PARTITION_KEY" in str(refused.value)
    assert "ordering=none" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_stream_that_is_told_to_ignore_partition_keys_gets_nothing_until_it_heeds_them_again(
    database: Database, ledger: Ledger, served: Served, operator: Any, arn: str
) -> None:
    async with listening(database.url, served.sink) as service:
        await write(ledger, database.writer_url, transactions=20)
        await all_delivered(ledger, served.data)
        await switch(operator, "AUTO", arn=arn)
        # It says so although there is nothing to deliver.
        await is_stopped(service)
        delivered = len(served.data())
        await write(ledger, database.writer_url, transactions=20, first_writer=10)
        await is_stopped(service)
        assert len(served.data()) == delivered
        await switch(operator, "USER_PARTITION_KEY", arn=arn)
        found = await all_delivered(ledger, served.data)
        await is_ready(service)
    assert found.repeats == 0


async def test_a_standby_that_takes_over_knows_that_the_stream_ignores_partition_keys(
    database: Database, ledger: Ledger, served: Served, operator: Any, arn: str
) -> None:
    async with listening(database.url, served.sink) as leader:
        await leads(leader)
        async with listening(database.url, served.sink) as standby:

            async def stands_by() -> bool:
                return standby.states["default"].phase is Phase.STANDBY

            await eventually(stands_by)
            await switch(operator, "AUTO", arn=arn)
            await is_stopped(standby)
            await is_stopped(leader)
            leader.stop()
            await write(ledger, database.writer_url, transactions=20)
            await leads(standby)
            await is_stopped(standby)
            assert not served.data()
            await switch(operator, "USER_PARTITION_KEY", arn=arn)
            await all_delivered(ledger, served.data)


async def test_without_order_a_stream_may_ignore_partition_keys(
    database: Database, ledger: Ledger, served: Served, operator: Any, arn: str
) -> None:
    await switch(operator, "AUTO", arn=arn)
    await write_rows(ledger, database.writer_url, *range(100, 200))
    with anyio.fail_after(20):
        await service_of(database.url, f"{served.sink}&ordering=none").run(once=True)
    assert not audit(ledger, served.data()).findings.lost


async def test_a_record_limit_that_is_raised_is_taken_over_while_we_deliver(
    served: Served, operator: Any, arn: str
) -> None:
    metrics = Metrics().sink("default")
    target = KinesisTarget(stream=STREAM, region="us-east-1", endpoint_url=served.endpoint_url)
    async with kinesis_sink(target, max_in_flight=1, metrics=metrics) as sink, anyio.create_task_group() as tasks:
        await sink.prepare()
        assert sink.max_record_bytes == 1 << 20
        tasks.start_soon(sink.watch, ServiceState())
        await operator.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=4096)

        async def knows() -> bool:
            return sink.max_record_bytes == 4 << 20

        await eventually(knows)
        tasks.cancel_scope.cancel()


async def test_delivery_goes_on_when_the_stream_cannot_be_looked_after(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async with listening(database.url, served.sink) as service:
        await leads(service)
        unanswered = Error(operation="DescribeStreamSummary", error_code="AccessDeniedException")
        served.kinesis.faults.replace([unanswered])

        async def looked() -> bool:
            return served.kinesis.faults.struck(unanswered) > 1

        await eventually(looked)
        await write(ledger, database.writer_url, transactions=20)
        await all_delivered(ledger, served.data)
        assert service.states["default"].ready
