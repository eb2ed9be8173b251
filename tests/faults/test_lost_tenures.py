"""What a lost connection ends is let go, records and all, however often that happens."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest

from forwarder.delivery.relay import Relay
from forwarder.errors import Unavailable
from forwarder.health import Phase
from forwarder.listen.checkpoints import Checkpoints
from forwarder.local.kinesis.faults import Error
from tests.databases import Database
from tests.faults.test_database_faults import terminate
from tests.ledger import Ledger, all_delivered, write_rows
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


async def test_a_stop_that_cannot_save_says_so_and_is_still_a_stop(
    database: Database,
    ledger: Ledger,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def is_cut_off(self: Checkpoints) -> None:
        raise Unavailable("the session is lost")

    async with listening(database.url, served.sink) as service:
        await write_rows(ledger, database.writer_url, 100)
        await all_delivered(ledger, served.data)
        monkeypatch.setattr(Checkpoints, "save", is_cut_off)
    state = service.states["default"]
    assert (state.phase, state.trouble) == (Phase.STOPPING, "the session is lost")
    assert [message for message in caplog.messages if "not saved" in message]
    assert "trying again" not in caplog.messages


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
