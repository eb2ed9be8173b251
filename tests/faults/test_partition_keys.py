"""What order each kind of partition key keeps, from a table to the stream, while records fail."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from forwarder.local.kinesis.faults import FailRecords, LoseResponse
from tests.capture import capture
from tests.databases import Database, connected
from tests.listening import STREAM, Served, client_of, service_of
from tests.ruled import create

ITEM, LOG = "public.item", "public.log"
RULED = "CREATE TABLE public.ruled (id bigint PRIMARY KEY, region text, note text)"


@pytest.fixture(autouse=True)
async def tables(database: Database) -> None:
    async with connected(database.url) as owner:
        await owner.execute(f"CREATE TABLE {ITEM} (id bigint PRIMARY KEY, region text, note text)")
        await owner.execute(f"CREATE TABLE {LOG} (line text)")
        for table in (ITEM, LOG):
            await capture(owner, table)


async def execute(database: Database, *statements: str) -> None:
    """Each statement in a transaction of its own."""
    async with connected(database.url) as owner:
        for statement in statements:
            await owner.execute(statement)


async def deliver(database: Database, sink: str) -> None:
    with anyio.fail_after(60):
        await service_of(database.url, sink, page_rows=50).run(once=True)


def stored(served: Served) -> Sequence[tuple[str, dict[str, Any]]]:
    """Each record's partition key and content; those of one key in their order."""
    return [(record.partition_key, json.loads(record.data)) for record in served.kinesis.stream(STREAM).records()]


@pytest.mark.parametrize(
    "options",
    [
        "&partition_key=column:region",
        "&partition_key=column:region,note&prefix=false",
        "&partition_key=template:{schema}.{table}:{after.region}",
        "&partition_key=constant:all&aggregation=kpl",
        "&keyless=row-hash",
    ],
)
async def test_the_records_of_a_key_come_in_order_while_others_fail(
    database: Database, served: Served, options: str
) -> None:
    await execute(
        database,
        f"INSERT INTO {ITEM} SELECT id, 'region ' || id % 5, 'a' FROM generate_series(1, 40) AS id",
        f"INSERT INTO {LOG} SELECT 'line ' || id % 5 FROM generate_series(1, 40) AS id",
        *[f"UPDATE {ITEM} SET note = 'b{number}', region = 'region ' || (id + {number}) % 5" for number in range(3)],
        f"TRUNCATE {ITEM}",
        f"INSERT INTO {ITEM} SELECT id, 'region ' || id % 5, 'a' FROM generate_series(1, 40) AS id",
        f"DELETE FROM {ITEM}",
    )
    if "kpl" not in options:
        served.kinesis.faults.replace(
            [FailRecords(probability=0.2), LoseResponse(operation="PutRecords", every=4, times=3)]
        )
    await deliver(database, served.sink + options)
    if "kpl" in options:
        # A lane of 281 changes: one record a round trip would have made as many.
        assert {record.partition_key for record in served.kinesis.stream(STREAM).records()} == {"all"}
        return
    seqs: defaultdict[str, list[int]] = defaultdict(list)
    for key, record in stored(served):
        if record["seq"] not in seqs[key]:
            seqs[key].append(record["seq"])
    assert sum(map(len, seqs.values())) == 281
    assert all(found == sorted(found) for found in seqs.values())


async def test_a_row_whose_column_changes_goes_on_under_the_new_value(database: Database, served: Served) -> None:
    await execute(
        database,
        f"INSERT INTO {ITEM} VALUES (1, 'eu', 'a')",
        f"UPDATE {ITEM} SET note = 'b'",
        f"UPDATE {ITEM} SET region = 'us'",
        f"DELETE FROM {ITEM}",
        f"TRUNCATE {ITEM}",
    )
    await deliver(database, f"{served.sink}&partition_key=column:region")
    found = sorted((record["seq"], record["op"], key) for key, record in stored(served))
    assert [(op, key) for _, op, key in found] == [
        ("insert", f"{ITEM}.eu"),
        ("update", f"{ITEM}.eu"),
        ("update", f"{ITEM}.us"),
        ("delete", f"{ITEM}.us"),
        ("truncate", ITEM),
    ]


@pytest.mark.parametrize("rules", [{"after": "changed"}, {"before": "none"}])
async def test_a_row_stays_in_its_lane_where_images_are_incomplete(
    database: Database, served: Served, rules: dict[str, str]
) -> None:
    async with connected(database.url) as owner:
        await create(owner, RULED, table="public.ruled", **rules)
    await execute(
        database,
        "INSERT INTO public.ruled VALUES (1, 'eu', 'a')",
        "UPDATE public.ruled SET note = 'b'",
        "DELETE FROM public.ruled",
    )
    await deliver(database, f"{served.sink}&partition_key=column:region")
    assert {record["op"]: key for key, record in stored(served)} == {
        "insert": "public.ruled.eu",
        "update": "public.ruled.eu",
        "delete": "public.ruled.eu",
    }


async def test_an_update_without_the_column_in_either_image_goes_by_the_rows_key_and_that_is_told(
    database: Database, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(database.url) as owner:
        await create(owner, RULED, table="public.ruled", before="changed", after="changed")
    await execute(database, "INSERT INTO public.ruled VALUES (1, 'eu', 'a')", "UPDATE public.ruled SET note = 'b'")
    await deliver(database, f"{served.sink}&partition_key=column:region")
    assert {record["op"]: key for key, record in stored(served)} == {
        "insert": "public.ruled.eu",
        "update": "public.ruled.1",
    }
    assert "region of public.ruled" in [record.__dict__.get("columns") for record in caplog.records]


async def test_a_row_of_megabytes_stays_in_its_lane(database: Database, served: Served) -> None:
    async with client_of(served) as client:
        arn = served.kinesis.stream(STREAM).identity.arn
        await client.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10 * 1024)
    await execute(
        database,
        f"INSERT INTO {ITEM} VALUES (1, 'eu', 'a')",
        f"UPDATE {ITEM} SET note = repeat('x', 2000000)",
        f"UPDATE {ITEM} SET id = 2",
        f"DELETE FROM {ITEM}",
    )
    await deliver(database, f"{served.sink}&partition_key=column:region")
    assert [(key, record["op"]) for key, record in stored(served)] == [
        (f"{ITEM}.eu", op) for op in ("insert", "update", "delete", "insert", "delete")
    ]


async def test_without_order_each_transaction_has_a_key_of_its_own(database: Database, served: Served) -> None:
    await execute(database, f"INSERT INTO {ITEM} VALUES (1), (2)", f"UPDATE {ITEM} SET note = 'b'")
    await deliver(database, f"{served.sink}&ordering=none&partition_key=transaction")
    assert all(key == record["txid"] for key, record in stored(served))
    assert len({key for key, _ in stored(served)}) == 2


async def test_tables_that_lack_the_column_are_told_at_start_in_one_line(
    database: Database, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    await execute(database, f"INSERT INTO {ITEM} VALUES (1, 'eu')", f"INSERT INTO {LOG} VALUES ('a'), ('b')")
    await deliver(database, f"{served.sink}&partition_key=column:region")
    [warning] = [record for record in caplog.records if "columns of the partition key" in record.message]
    assert warning.__dict__["columns"] == f"region of {LOG}"
    assert {key for key, _ in stored(served)} == {f"{ITEM}.eu", LOG}


async def test_a_column_that_the_tables_rules_leave_out_is_told_once_when_it_is_missed(
    database: Database, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(database.url) as owner:
        await create(owner, RULED, table="public.ruled", columns={"exclude": ["region"]})
        await owner.execute("INSERT INTO public.ruled VALUES (1, 'eu'), (2, 'eu')")
    await deliver(database, f"{served.sink}&partition_key=column:region&prefix=false")
    told = [record.__dict__["columns"] for record in caplog.records if "columns of the partition key" in record.message]
    assert told == [f"region of {LOG}", "region of public.ruled"]
    assert {key for key, _ in stored(served)} == {"1", "2"}
