from __future__ import annotations

import json
from typing import Any
from unittest.mock import AsyncMock, Mock

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from forwarder.config import sink_url
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.errors import Oversized
from forwarder.events import CapturedTable, Event, Stored
from forwarder.listen.record_maker import RecordMaker, record_maker
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins
from forwarder.records.record import whole
from tests.mapped import mappings_of, object_mapping, selection

ORDERS = CapturedTable(
    id=1, relation=16400, schema="public", name="orders", key_columns=(("id",),), before_image="full"
)
IMAGE = '{"id":1,"region":"eu"}'
INSERT = Event(1, 1, 0, ORDERS, None, b"I", None, IMAGE, None, 1, 1, '{"id":1}', "1")
TRUNCATE = replace(INSERT, seq=2, op=b"T", after=None, key=None, key_values=None)
KEYED_BY_ROW = object_mapping("public.orders", parameters={"partition_key_type": "primary-key"})


def maker_of(url: str, mappings: TableMappings | None = None) -> RecordMaker:
    sink: Any = Mock(max_record_bytes=1 << 20, takes_bodies=True)
    destination: Any = Mock(sink=sink, routes=None)
    images: Any = Mock(part=AsyncMock(return_value=IMAGE.encode()))
    large_rows: Any = Mock(completed=AsyncMock(side_effect=lambda events: [completed(each) for each in events]))
    absent_columns: Any = Mock()
    return record_maker(
        sink_url.parse(url),
        destination,
        provenance=Provenance(origins=Origins([Origin(0, "7")]), database="shop"),
        images=images,
        large_rows=large_rows,
        absent_columns=absent_columns,
        mappings=mappings,
    )


def completed(event: Event) -> Event:
    """The event with the columns of its partition key, if its row is large."""
    return replace(event, stored=replace(event.stored, after_columns='{"region":"eu"}')) if event.stored else event


@pytest.mark.parametrize(
    ("url", "mappings", "has_barriers"),
    [
        ("kinesis://changes", None, True),
        ("kinesis://changes?partition_key=table", None, False),
        ("kinesis://changes?partition_key=constant:x", None, False),
        ("kinesis://changes?partition_key=table", mappings_of(selection(), KEYED_BY_ROW), True),
        ("kinesis://changes?partition_key=constant:x", mappings_of(selection(), KEYED_BY_ROW), True),
        ("kinesis://changes?partition_key=table&ordering=none", mappings_of(selection(), KEYED_BY_ROW), False),
    ],
)
async def test_a_truncate_keeps_its_place_wherever_rows_may_have_lanes_of_their_own(
    url: str, mappings: TableMappings | None, *, has_barriers: bool
) -> None:
    packed = await maker_of(url, mappings).records([INSERT, TRUNCATE], any_stored=False)

    assert any(stretch.is_barrier for stretch in packed.stretches) is has_barriers


async def test_a_large_row_tells_the_key_that_was_made_of_its_columns() -> None:
    maker = maker_of("kinesis://changes?format=dms&IncludePartitionValue=true&partition_key=column:region")
    large = replace(INSERT, after=None, stored=Stored(None, len(IMAGE)))

    [record] = (await maker.records([large], any_stored=True)).records

    assert record.partition_key == "public.orders.eu"
    assert record.body
    data = await whole(record.body)
    assert json.loads(data)["metadata"]["partition-key-value"] == "public.orders.eu"
    assert len(data) == record.body.size


@pytest.mark.parametrize("row", [INSERT, replace(INSERT, after=None, stored=Stored(None, len(IMAGE)))])
async def test_a_record_tells_the_random_key_that_it_has(row: Event) -> None:
    maker = maker_of("kinesis://changes?format=dms&IncludePartitionValue=true&partition_key=random&ordering=none")

    [record] = (await maker.records([row], any_stored=row.stored is not None)).records

    data = await whole(record.body) if record.body else record.data
    assert json.loads(data)["metadata"]["partition-key-value"] == record.partition_key


async def test_large_rows_are_numbered_in_their_transaction_as_all_others() -> None:
    maker = maker_of("file:changes.jsonl?format=debezium&provide.transaction.metadata=true")
    rows = [replace(INSERT, seq=seq, index=seq, count=5) for seq in range(1, 6)]
    page = [replace(row, after=None, stored=Stored(None, len(IMAGE))) if row.seq % 2 == 0 else row for row in rows]

    records = (await maker.records(page, any_stored=True)).records
    # Records of a later page, which are made before the large ones are read.
    await maker.records([replace(INSERT, seq=6, txid=2)], any_stored=False)

    sizes = [record.body.size for record in records if record.body]
    data = [await whole(record.body) if record.body else record.data for record in records]
    assert [json.loads(one)["transaction"]["data_collection_order"] for one in data] == [1, 2, 3, 4, 5]
    assert sizes == [len(data[1]), len(data[3])]


async def test_a_page_that_stops_at_a_large_row_keeps_its_numbers_when_it_comes_again() -> None:
    maker = maker_of("kinesis://changes?format=debezium&provide.transaction.metadata=true&oversize=stop")
    rows = [replace(INSERT, seq=seq, index=seq, count=3) for seq in range(1, 4)]
    too_large = replace(rows[2], after=f'{{"note":"{"x" * (1 << 20)}"}}')
    with pytest.raises(Oversized):
        await maker.records([*rows[:2], too_large], any_stored=False)

    found = [
        *(await maker.records(rows[:2], any_stored=False)).records,
        *(await maker.records(rows[2:], any_stored=False)).records,
    ]

    assert [json.loads(record.data)["transaction"]["data_collection_order"] for record in found] == [1, 2, 3]


@pytest.mark.parametrize("format", ["debezium", "dynamodb", "dms"])
async def test_the_loop_goes_on_while_a_long_array_is_encoded(format: str) -> None:
    maker = maker_of(f"kinesis://changes?format={format}")
    long = replace(INSERT, after=f'{{"id":1,"n":[{",".join("1" * 20_000)}]}}')
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turn)
        await anyio.lowlevel.checkpoint()
        before = turns
        await maker.records([INSERT] * 1000, any_stored=False)
        assert turns == before, "a thread costs more than it helps an ordinary page"
        packed = await maker.records([INSERT, long], any_stored=False)
        assert turns > before
        tasks.cancel_scope.cancel()

    assert len(packed.records) == 2
    assert len(packed.records[1].data) > 20_000


async def test_a_mapping_by_primary_key_counts_over_a_sink_that_goes_by_table() -> None:
    url = "kinesis://changes?format=dms&IncludePartitionValue=true&partition_key=table&EnableBeforeImage=true"
    maker = maker_of(url, mappings_of(selection(), KEYED_BY_ROW))
    # An update of the key: each half has a lane of its own.
    gone = replace(INSERT, seq=3, op=b"D", before=IMAGE, after=None, moved='{"id":2}')

    records = (await maker.records([INSERT, gone, TRUNCATE], any_stored=False)).records

    assert [record.partition_key for record in records] == ["public.orders.1", "public.orders.1", "public.orders"]
    told = [json.loads(await whole(record.body) if record.body else record.data)["metadata"] for record in records]
    assert [metadata["operation"] for metadata in told] == ["insert", "delete", "truncate-table"]
    assert [metadata["partition-key-type"] for metadata in told] == ["primary-key", "primary-key", "schema-table"]
