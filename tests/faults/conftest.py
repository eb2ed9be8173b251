"""What every fault test stands on: captured accounts, a ledger of what is committed to them, and a local Kinesis."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.databases import Database
from tests.ledger import Ledger, create_accounts
from tests.listening import CREDENTIALS, Served, kinesis_with_stream


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    await create_accounts(database.url)
    return Ledger()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with kinesis_with_stream() as served:
        yield served
