"""A row whose key is written in several ways is one row, and its changes stay in order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from forwarder.local.kinesis.faults import FailRecords
from tests.capture import capture
from tests.databases import Database
from tests.listening import STREAM, Served, leads, listening
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

FORMS = ("1.0", "1.00", "1", "1.000")
VERSIONS = 40


async def test_a_numeric_key_written_with_other_zeros_stays_in_its_lane_and_in_order(
    database: Database, connection: Connection, served: Served
) -> None:
    await connection.execute("CREATE TABLE item (id numeric PRIMARY KEY, version integer NOT NULL)")
    await capture(connection, "item")
    served.kinesis.faults.replace([FailRecords(probability=0.3)])
    async with listening(database.url, served.sink) as service:
        await leads(service)
        for version in range(VERSIONS):
            form = FORMS[version % len(FORMS)]
            await connection.execute(f"DELETE FROM item; INSERT INTO item VALUES ({form}, {version})")

        async def all_arrived() -> bool:
            return served.kinesis.stream(STREAM).record_count >= 2 * VERSIONS - 1

        await eventually(all_arrived, within_seconds=30)

    records = served.kinesis.stream(STREAM).records()
    changes = [json.loads(record.data) for record in records]
    assert {record.partition_key for record in records} == {"public.item.1"}
    assert {json.dumps(change["key"]) for change in changes} == {'{"id": 1}'}
    assert [(change["before"] or change["after"])["version"] for change in changes] == [
        version for version in range(VERSIONS) for _ in range(2)
    ][:-1]
    # The images are as PostgreSQL wrote them.
    assert [b'"after":{"id":1.00,"version":1}' in record.data for record in records].count(True) == 1
