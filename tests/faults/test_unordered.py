"""Without order: nothing is lost either, and a key is as fast as any other."""

from __future__ import annotations

import anyio

from forwarder.local.kinesis.faults import Delay, FailRecords, LoseResponse
from tests.databases import Database
from tests.ledger import Ledger, audit, write, write_rows
from tests.listening import Served, service_of


async def test_without_order_the_changes_of_one_key_leave_in_full_requests(
    database: Database, ledger: Ledger, served: Served
) -> None:
    requests = Delay(operation="PutRecords", seconds=0.0)
    served.kinesis.faults.replace([requests])
    await write_rows(ledger, database.url, *range(1000, 6000))
    with anyio.fail_after(30):
        await service_of(database.url, f"{unordered(served)}&partition_key=table").run(once=True)
    assert not audit(ledger, served.data()).findings.lost
    # One of a key at a time, it would have been 5,000.
    assert served.kinesis.faults.struck(requests) <= 20


async def test_without_order_nothing_is_lost_while_records_fail_and_answers_are_lost(
    database: Database, ledger: Ledger, served: Served
) -> None:
    await write(ledger, database.writer_url, transactions=50)
    served.kinesis.faults.replace(
        [FailRecords(probability=0.2), LoseResponse(operation="PutRecords", every=3, times=3)]
    )
    with anyio.fail_after(30):
        await service_of(database.url, unordered(served), page_rows=50).run(once=True)
    found = audit(ledger, served.data())
    assert not found.findings.lost
    assert not found.findings.phantoms
    assert not found.forged


def unordered(served: Served) -> str:
    return f"{served.sink}&ordering=none"
