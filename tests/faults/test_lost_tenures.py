"""What a lost connection ends is let go, records and all, however often that happens."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest

from forwarder.delivery.relay import Relay
from forwarder.local.kinesis.faults import Error
from tests.databases import Database
from tests.faults.test_database_faults import terminate
from tests.ledger import Ledger, write_rows
from tests.listening import Served, listening
from tests.waiting import eventually

LOSSES = 5
ROWS = 20


@pytest.fixture
def relays(monkeypatch: pytest.MonkeyPatch) -> WeakSet[Relay]:
    """Those that are in memory."""
    alive: WeakSet[Relay] = WeakSet()

    def relay(*arguments: Any, **options: Any) -> Relay:
        made = Relay(*arguments, **options)
        alive.add(made)
        return made

    monkeypatch.setattr("forwarder.listen.leader.Relay", relay)
    return alive


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Python's collector counts objects, not bytes: as `listen` sets it, it may well not come while memory fills."""
    gc.disable()
    yield
    gc.enable()


async def test_the_records_of_lost_tenures_are_not_kept(
    database: Database, ledger: Ledger, served: Served, eager: None, no_collector: None, relays: WeakSet[Relay]
) -> None:
    served.kinesis.faults.replace([Error(operation="PutRecords")])
    await write_rows(ledger, database.writer_url, *range(100, 100 + ROWS), note="x" * 10_000)
    known: WeakSet[Relay] = WeakSet()

    async def another_holds_them_all() -> bool:
        return any(relay.records == ROWS and relay not in known for relay in relays)

    async with listening(database.url, served.sink, stop_timeout_seconds=0.1):
        for _ in range(LOSSES):
            await eventually(another_holds_them_all)
            known.update(relays)
            assert await terminate(database, "leader")
        await eventually(another_holds_them_all)
        held = [relay.bytes for relay in relays]
    # By the one that leads, and perhaps the one before it.
    assert len(held) <= 2, held
