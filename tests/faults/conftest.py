"""What every fault test stands on: credentials for the local Kinesis, impatience, and a server that may be stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from forwarder.database import sessions as connections
from forwarder.local.postgres import EmbeddedPostgres
from tests.clusters import Clusters
from tests.listening import CREDENTIALS


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead connection is noticed, and every attempt after a failure made, within half a second instead of several."""
    monkeypatch.setattr("forwarder.listen.sink_worker.STEADY_SECONDS", 0.0)
    monkeypatch.setattr("forwarder.listen.checkpoints.HEARTBEAT_SECONDS", 0.2)
    for module in ("store.leadership", "store.positions", "outbox.doorbell", "database.lock_holders"):
        monkeypatch.setattr(f"forwarder.{module}.ANSWER_SECONDS", 0.5)
    monkeypatch.setitem(connections.connect.__kwdefaults__ or {}, "timeout_seconds", 1.0)


@pytest.fixture
async def own_postgres(clusters: Clusters) -> AsyncIterator[EmbeddedPostgres]:
    """A server that nobody else uses, so that it can be stopped."""
    async with clusters.server(max_connections=50) as server:
        yield server
