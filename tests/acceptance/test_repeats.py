"""What a crash repeats: no more than what was acknowledged since the last save, however long one change holds the position up."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from forwarder.local.kinesis.faults import FailRecords
from forwarder.outbox.delivered_ahead import decode
from tests.cases import some
from tests.databases import Database, connected
from tests.ledger import Ledger, all_delivered, write_rows
from tests.listening import CREDENTIALS, Served, command
from tests.waiting import eventually

HALTED = "public.account.1000"
CHANGES = 3000


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


async def all_is_noted_but_one(database: Database) -> bool:
    """Whether a crash now would cost nothing: all that was captured is known as delivered, except for what is refused."""
    async with connected(database.url) as connection:
        content = await connection.fetchval("SELECT content FROM forwarder.ahead WHERE sink = 'default'")
        last_seq = await connection.fetchval("SELECT max(seq) FROM forwarder.outbox")
    found = decode(content) if content else None
    return found is not None and len(found.undelivered) == 1 and found.end.last_seq == last_seq


@pytest.mark.parametrize("lives", some(3, of=[1, 3]))
async def test_what_was_delivered_behind_a_change_that_is_refused_is_not_sent_again_after_kills(
    database: Database, ledger: Ledger, served: Served, env: Mapping[str, str], tmp_path: Path, lives: int
) -> None:
    served.kinesis.faults.replace([FailRecords(partition_keys=frozenset({HALTED}))])
    await write_rows(ledger, database.writer_url, 1000)
    for life in range(lives):
        first = 1001 + life * CHANGES
        async with command("listen", env=env, directory=tmp_path / f"listen{life}") as listener:
            await listener.says("listening")
            await write_rows(ledger, database.writer_url, *range(first, first + CHANGES))
            await eventually(partial(all_is_noted_but_one, database), within_seconds=60)
            await listener.kill()

    served.kinesis.faults.replace([])
    async with command("listen", "--once", env=env, directory=tmp_path / "last") as last:
        assert await last.ends(within_seconds=60) == 0
    found = await all_delivered(ledger, served.data)
    assert found.repeats == 0
