"""Whatever Kinesis does to a request, nothing is lost and the changes of a row arrive in their order."""

from __future__ import annotations

from typing import Any, Literal

import anyio
import pytest

from forwarder.errors import Refused
from forwarder.health import Phase
from forwarder.listen.service import Service
from forwarder.local.kinesis import LocalKinesis, serve
from forwarder.local.kinesis.faults import (
    AnyFault,
    CommitLate,
    Delay,
    Drop,
    Error,
    FailRecords,
    Hang,
    LoseResponse,
    Refuse,
)
from forwarder.records.packing import Packed, Packer
from tests.cases import some
from tests.databases import Database
from tests.ledger import (
    HOT_ID,
    Audit,
    Ledger,
    Missing,
    all_delivered,
    audit,
    write,
    write_rows,
    writing,
)
from tests.listening import (
    STREAM,
    Served,
    client_of,
    impatient,
    kinesis_with_stream,
    leads,
    listening,
    service_of,
)
from tests.waiting import eventually

PUT: Literal["PutRecords"] = "PutRecords"
HOT_KEY = f"public.account.{HOT_ID}"


async def survive(database: Database, ledger: Ledger, served: Served, *faults: AnyFault, **settings: Any) -> Audit:
    """Write and listen under these faults, and wait until everything has arrived."""
    # A backlog makes deep lanes.
    await write(ledger, database.writer_url, transactions=30)
    served.kinesis.faults.replace(faults)
    async with listening(database.url, served.sink, **settings) as service:
        await leads(service)
        await write(ledger, database.writer_url, transactions=50, first_writer=10)
        found = await all_delivered(ledger, served.data)
    for fault in faults:
        assert served.kinesis.faults.struck(fault)
    return found


async def test_rejected_records_are_offered_again_and_repeat_nothing(
    database: Database, ledger: Ledger, served: Served
) -> None:
    found = await survive(database, ledger, served, FailRecords(probability=0.2))
    assert found.repeats == 0


async def test_throttled_records_are_offered_again_and_repeat_nothing(database: Database, ledger: Ledger) -> None:
    async with kinesis_with_stream(shards=1, limits=True) as served, listening(database.url, served.sink) as service:
        await leads(service)
        await write_rows(ledger, database.writer_url, *range(100, 2600))
        await write(ledger, database.writer_url, transactions=50)
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0


async def test_other_lanes_go_on_while_the_records_of_one_key_are_rejected(
    database: Database, ledger: Ledger, served: Served
) -> None:
    rejecting = FailRecords(partition_keys=frozenset({HOT_KEY}))
    served.kinesis.faults.replace([rejecting])
    async with listening(database.url, served.sink):
        await write(ledger, database.writer_url, transactions=60)
        missing = Missing(ledger, served.data)

        async def only_the_hot_row_is_missing() -> bool:
            return missing.ids() == {HOT_ID}

        await eventually(only_the_hot_row_is_missing, within_seconds=20)
        assert served.kinesis.faults.struck(rejecting)
        served.kinesis.faults.replace([])
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0


async def test_a_lost_answer_delivers_the_request_again(database: Database, ledger: Ledger, served: Served) -> None:
    found = await survive(database, ledger, served, LoseResponse(operation=PUT, probability=0.05, seed=1))
    assert found.repeats > 0


async def test_a_connection_dropped_before_the_commit_repeats_nothing(
    database: Database, ledger: Ledger, served: Served
) -> None:
    found = await survive(database, ledger, served, Drop(operation=PUT, probability=0.1))
    assert found.repeats == 0


@pytest.mark.parametrize(
    "code",
    some(
        "AccessDeniedException",
        of=[
            "InternalFailure",
            "AccessDeniedException",
            "KMSThrottlingException",
            "ServiceUnavailable",
            "KMSDisabledException",
        ],
    ),
)
async def test_a_request_refused_as_a_whole_is_made_again(
    database: Database, ledger: Ledger, served: Served, code: str
) -> None:
    found = await survive(database, ledger, served, Error(operation=PUT, probability=0.1, error_code=code))
    assert found.repeats == 0


async def test_a_request_that_hangs_is_given_up_and_made_again(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    found = await survive(database, ledger, served, Hang(operation=PUT, every=7, times=5))
    assert found.repeats == 0


async def test_one_hanging_request_holds_up_its_own_lanes_only(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long the others take, it is not given up meanwhile.
    impatient(monkeypatch, read_timeout=600)
    monkeypatch.setattr("forwarder.aws.call.CALL_SECONDS", 600.0)
    monkeypatch.setattr("forwarder.sinks.kinesis.sink.KinesisSink.max_records", 5)
    hanging = Hang(operation=PUT, partition_keys=frozenset({HOT_KEY}), times=1)
    served.kinesis.faults.replace([hanging])
    async with listening(database.url, served.sink, stop_timeout_seconds=0.1) as service:
        await leads(service)
        await write(ledger, database.writer_url, transactions=60)
        missing = Missing(ledger, served.data)

        async def only_its_own_lanes_are_missing() -> bool:
            return len(missing.ids()) <= 5

        await eventually(only_its_own_lanes_are_missing, within_seconds=20)
        assert served.kinesis.faults.struck(hanging)
        assert HOT_ID in missing.ids()
    # It was stopped with the request still hanging; the next one delivers the rest.
    served.kinesis.faults.replace([])
    async with listening(database.url, served.sink):
        await all_delivered(ledger, served.data)


async def test_a_slow_stream_repeats_nothing(database: Database, ledger: Ledger, served: Served) -> None:
    found = await survive(database, ledger, served, Delay(operation=PUT, seconds=0.03))
    assert found.repeats == 0


async def test_a_request_that_is_stored_late_leaves_the_first_occurrences_in_order(
    database: Database, ledger: Ledger, served: Served
) -> None:
    found = await survive(database, ledger, served, CommitLate(operation=PUT, seconds=0.2, probability=0.1))
    await served.kinesis.wait_for_records(ledger.changes + found.repeats, stream=STREAM)
    audit(ledger, served.data()).assert_faultless()


async def test_all_faults_at_once_with_small_pages(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch, read_timeout=0.3)
    await survive(
        database,
        ledger,
        served,
        Delay(operation=PUT, seconds=0.02, probability=0.5),
        FailRecords(probability=0.1),
        LoseResponse(operation=PUT, probability=0.05, seed=1),
        CommitLate(operation=PUT, seconds=0.3, probability=0.05, seed=2),
        Drop(operation=PUT, probability=0.05, seed=3),
        Error(operation=PUT, probability=0.05, seed=4),
        Hang(operation=PUT, every=40),
        page_rows=20,
        max_events=100,
        checkpoint_interval_seconds=0.01,
    )


async def test_a_stream_whose_endpoint_is_gone_for_seconds_is_waited_for_and_readiness_says_why(
    database: Database, ledger: Ledger, served: Served
) -> None:
    served.kinesis.faults.replace([Refuse(operation=PUT, after=5, times=1, seconds=2.0)])
    async with listening(database.url, served.sink) as service:
        async with writing(ledger, database.writer_url):

            async def in_trouble() -> bool:
                return not service.states["default"].ready and STREAM in (service.states["default"].trouble or "")

            await leads(service)
            await eventually(in_trouble)
        await all_delivered(ledger, served.data)
        assert service.states["default"].ready


async def test_a_stream_that_is_deleted_and_created_again_gets_what_the_old_one_had_not(
    database: Database, ledger: Ledger, served: Served
) -> None:
    async with listening(database.url, served.sink) as service, client_of(served) as client:
        async with writing(ledger, database.writer_url):
            await leads(service)
            await served.kinesis.wait_for_records(100, stream=STREAM)
            old = served.kinesis.stream(STREAM)
            await client.delete_stream(StreamName=STREAM)

            async def in_trouble() -> bool:
                return "ResourceNotFoundException" in (service.states["default"].trouble or "")

            await eventually(in_trouble)
            served.kinesis.create_stream(STREAM, shards=2)
            await served.kinesis.wait_for_records(100, stream=STREAM)

        def both() -> list[bytes]:
            return [*(record.data for record in old.records()), *served.data()]

        found = await all_delivered(ledger, both)
    assert found.repeats == 0


async def test_a_stream_that_is_being_created_at_start_is_waited_for(database: Database, ledger: Ledger) -> None:
    await write(ledger, database.writer_url, transactions=20)
    async with kinesis_with_stream(transition_seconds=1.0) as served:
        assert served.kinesis.stream(STREAM).status == "CREATING"
        async with listening(database.url, served.sink) as service:
            found = await all_delivered(ledger, served.data)
            assert service.states["default"].phase is Phase.LEADING
    assert found.repeats == 0


async def test_an_endpoint_that_is_gone_at_start_is_waited_for(database: Database, ledger: Ledger) -> None:
    kinesis = LocalKinesis(limits=False)
    kinesis.create_stream(STREAM)
    async with serve(kinesis) as endpoint:
        served = Served(kinesis, endpoint)
    async with listening(database.url, served.sink) as service:
        await write(ledger, database.writer_url, transactions=20)
        assert service.states["default"].phase is Phase.STARTING
        async with serve(kinesis, port=endpoint.port):
            await all_delivered(ledger, served.data)


async def test_order_holds_while_shards_are_split_and_merged_and_counted_anew(
    database: Database, ledger: Ledger
) -> None:
    async with (
        kinesis_with_stream(shards=2, transition_seconds=0.1) as served,
        listening(database.url, served.sink) as service,
        client_of(served) as client,
    ):
        await leads(service)
        async with writing(ledger, database.writer_url):
            await client.split_shard(
                StreamName=STREAM, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126)
            )
            await more_shards(served, than=2)
            await client.merge_shards(
                StreamName=STREAM,
                ShardToMerge="shardId-000000000002",
                AdjacentShardToMerge="shardId-000000000003",
            )
            await more_shards(served, than=4)
            await client.update_shard_count(StreamName=STREAM, TargetShardCount=4, ScalingType="UNIFORM_SCALING")
            await more_shards(served, than=5)
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0


async def more_shards(served: Served, *, than: int) -> None:
    """Wait for the end of a reshard, and for records after it."""

    async def resharded() -> bool:
        stream = served.kinesis.stream(STREAM)
        return stream.status == "ACTIVE" and len(stream.shards) > than

    await eventually(resharded)
    count = served.kinesis.stream(STREAM).record_count
    await served.kinesis.wait_for_records(count + 50, stream=STREAM)


@pytest.mark.parametrize("page_rows", some(10, of=[1, 10, 1000]))
async def test_oversize_stop_ends_delivery_exactly_before_a_change_above_the_streams_limit_and_says_why(
    database: Database, ledger: Ledger, served: Served, monkeypatch: pytest.MonkeyPatch, page_rows: int
) -> None:
    monkeypatch.setattr("forwarder.listen.intake.OVERSIZED_RETRY_SECONDS", 0.05)
    monkeypatch.setattr("forwarder.sinks.kinesis.stream_watch.LOOK_SECONDS", 0.5)
    await write_rows(ledger, database.writer_url, *range(100, 115))
    await write_rows(ledger, database.writer_url, 200, note="x" * (1 << 20))
    await write_rows(ledger, database.writer_url, *range(201, 205))
    served.kinesis.faults.replace([Delay(operation=PUT, seconds=0.05)])
    async with listening(database.url, f"{served.sink}&oversize=stop", page_rows=page_rows) as service:
        missing = Missing(ledger, served.data)
        tries = 0
        pack = Packer.pack

        def counted(self: Packer, *arguments: Any, **options: Any) -> Packed:
            nonlocal tries
            tries += 1
            return pack(self, *arguments, **options)

        monkeypatch.setattr(Packer, "pack", counted)

        async def is_tried_again() -> bool:
            return tries > 2

        async def refuses() -> bool:
            return "1048576" in (service.states["default"].reason or "") and missing.ids() == set(range(200, 205))

        # More than once, and nothing of what lies before is sent again.
        await eventually(refuses)
        tries = 0
        await eventually(is_tried_again)
        await eventually(refuses)
        async with client_of(served) as client:
            await client.update_max_record_size(
                StreamARN=served.kinesis.stream(STREAM).identity.arn, MaxRecordSizeInKiB=2048
            )
        found = await all_delivered(ledger, served.data)
    assert found.repeats == 0


async def test_a_missing_stream_is_refused_at_start(database: Database, served: Served) -> None:
    service: Service = service_of(database.url, served.sink.replace(STREAM, "nowhere"))
    with pytest.raises(Refused, match="nowhere: ResourceNotFoundException"), anyio.fail_after(10):
        await service.run()
