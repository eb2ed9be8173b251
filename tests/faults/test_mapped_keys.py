"""The order of a row whose partition key is an attribute by an object mapping, while records fail."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from forwarder.local.kinesis.faults import FailRecords
from tests.databases import Database, connected
from tests.listening import CREDENTIALS, STREAM, Operator, Served, client_of
from tests.mapped import numbered, object_mapping, selection

ORDERS = "CREATE TABLE public.orders (id bigint PRIMARY KEY, region text, note text, n integer)"
PLACE = {"target-attribute-name": "place", "value": "${region}/${id}"}
ROWS = 5
# Two images with a large note are above a mebibyte: they stay in the database until they are sent.
SMALL, LARGE = "'a'", "repeat('x', 700000)"
OPERATIONS = ["insert", "update", "update", "delete"]


def operator_of(
    database: Database, served: Served, folder: Path, *, key: str, table: str = "", format: str = "native"
) -> Operator:
    """One whose mapping file makes the keys of ``public.orders`` of the attribute ``key``. ``table``: further options of its [[table]]."""
    parameters = {"partition_key_type": "attribute-name", "partition_key_name": key, "attribute_mappings": [PLACE]}
    settings = f"""\
table_mappings = "mappings.json"
[database]
url = "{database.url}"
[[table]]
match = "public.orders"
{table}
[[sink]]
name = "default"
url = "{served.sink}&format={format}"
"""
    rules = numbered(selection(), object_mapping("public.orders", parameters=parameters))
    return Operator(CREDENTIALS, folder, {"forwarder.toml": settings, "mappings.json": rules})


async def keys_in_order(
    database: Database, served: Served, operator: Operator, *, note: str, region: str = "'eu'"
) -> dict[str, list[str]]:
    """What was done to the rows, by partition key and as it is in the stream. Updates set ``note`` and ``n``, no other column."""
    async with client_of(served) as client:
        arn = served.kinesis.stream(STREAM).identity.arn
        await client.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10 * 1024)
    async with connected(database.url) as owner:
        await owner.execute(ORDERS)
        await operator.says("migrate")
        for row in range(1, ROWS + 1):
            await owner.execute(f"INSERT INTO public.orders VALUES ({row}, {region}, {note}, 0)")
            await owner.execute(f"UPDATE public.orders SET n = 1, note = {note} WHERE id = {row}")
            await owner.execute(f"UPDATE public.orders SET n = 2 WHERE id = {row}")
            await owner.execute(f"DELETE FROM public.orders WHERE id = {row}")
    served.kinesis.faults.replace([FailRecords(probability=0.3)])
    await operator.says("listen", "--once")
    found: defaultdict[str, list[str]] = defaultdict(list)
    for record in served.kinesis.stream(STREAM).records():
        content = json.loads(record.data)
        found[record.partition_key].append(content.get("op") or content["metadata"]["operation"])
    return found


@pytest.mark.parametrize(
    ("key", "table", "note", "format"),
    [
        ("region", 'after = "changed"', SMALL, "native"),
        ("region", 'after = "changed"', LARGE, "native"),
        ("id", "", LARGE, "native"),
        ("place", 'after = "changed"', SMALL, "dms"),
        ("place", "", LARGE, "dms"),
    ],
)
async def test_all_changes_of_a_row_have_the_key_that_its_attribute_makes(
    database: Database, served: Served, tmp_path: Path, key: str, table: str, note: str, format: str
) -> None:
    """Images of a large row are in the database; with ``after = "changed"`` the new row's image lacks the column."""
    operator = operator_of(database, served, tmp_path, key=key, table=table, format=format)

    found = await keys_in_order(database, served, operator, note=note)

    if key == "region":
        assert found == {"eu": OPERATIONS * ROWS}
    else:
        prefix = "eu/" if key == "place" else ""
        assert found == {f"{prefix}{row}": OPERATIONS for row in range(1, ROWS + 1)}


async def test_rows_whose_attribute_is_null_keep_their_order_under_their_own_keys(
    database: Database, served: Served, tmp_path: Path
) -> None:
    operator = operator_of(database, served, tmp_path, key="region")

    found = await keys_in_order(database, served, operator, note=SMALL, region="NULL")

    assert found == {f"public.orders.{row}": OPERATIONS for row in range(1, ROWS + 1)}
