"""What a listener makes of a backlog: of a great many transactions, and of a single one that is as large.

Killed in the middle, it goes on near where it was; its memory does not depend on how much there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import msgspec
import pytest

from forwarder.outbox import transaction_counts
from tests.databases import Database
from tests.ledger import Ledger, create_accounts, writing
from tests.listening import CREDENTIALS, STREAM, Served, command, kinesis_with_stream, peak_bytes
from tests.waiting import eventually

FIRST_ID = 1_000_000_000
MEMORY_BYTES = 150 << 20
# As many as are in memory at most, and what is delivered before the next save is done.
REPEATS = 40_000

FOR_LONG = [pytest.mark.long, pytest.mark.timeout(3000)]
GIANTS = [20_000, pytest.param(5_000_000, marks=FOR_LONG)]
BACKLOGS = [20_000, pytest.param(10_000_000, marks=FOR_LONG)]

pytestmark = pytest.mark.slow


class _Key(msgspec.Struct):
    id: int


class _Place(msgspec.Struct):
    index: int
    count: int | None


class _Change(msgspec.Struct):
    """What these tests read of a record."""

    seq: int
    op: str
    txid: str
    key: _Key
    tx: _Place


_CHANGES = msgspec.json.Decoder(_Change)


class Seen:
    """What a stream holds of the rows from ``FIRST_ID`` on, read once, in its order."""

    def __init__(self, served: Served) -> None:
        self.repeats = 0
        # Of each transaction, the places that its changes have.
        self.places: dict[str, set[int]] = {}
        self.counts: Counter[int | None] = Counter()
        self.others = 0
        last: dict[int, int] = {}
        for record in served.kinesis.stream(STREAM).records():
            change = _CHANGES.decode(record.data)
            if change.key.id < FIRST_ID:
                self.others += 1
            elif change.tx.index in (places := self.places.setdefault(change.txid, set())):
                self.repeats += 1
            else:
                places.add(change.tx.index)
                self.counts[change.tx.count] += 1
                assert last.get(change.key.id, 0) < change.seq, "an older change of a row came later"
                last[change.key.id] = change.seq


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with kinesis_with_stream(shards=8) as served:
        yield served


@pytest.fixture
def env(database: Database, served: Served) -> Mapping[str, str]:
    return {**CREDENTIALS, "FORWARDER_DATABASE_URL": database.url, "FORWARDER_SINK": served.sink}


async def run(url: str, *statements: str) -> None:
    """Run these statements, in one transaction if they do not say otherwise."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(";".join(statements), timeout=1500)
    finally:
        await connection.close()


async def deliver_with_a_kill(served: Served, env: Mapping[str, str], directory: Path, *, changes: int) -> None:
    """Deliver all there is; kill the listener after a third of it, and start another."""

    async def a_third_is_there() -> bool:
        return served.kinesis.stream(STREAM).record_count > changes // 3

    async with command("listen", env=env, directory=directory / "killed") as listener:
        await eventually(a_third_is_there, within_seconds=900)
        await listener.kill()
    stored = served.kinesis.stream(STREAM).record_count
    assert stored < changes
    async with command("listen", env=env, directory=directory / "next") as listener:

        async def all_is_there() -> bool:
            return served.kinesis.stream(STREAM).record_count >= changes

        await eventually(all_is_there, within_seconds=1800)
        peak = peak_bytes(listener)
        assert await listener.stop() == 0
    assert peak < MEMORY_BYTES
    async with command("listen", "--once", env=env, directory=directory / "rest") as listener:
        assert await listener.ends() == 0


@pytest.mark.parametrize("changes", GIANTS)
async def test_a_giant_transaction_arrives_whole_and_in_order_and_those_beside_it_do_too(
    database: Database, served: Served, env: Mapping[str, str], tmp_path: Path, changes: int
) -> None:
    await create_accounts(database.url)
    ledger = Ledger()
    rows = f"SELECT {FIRST_ID} + id, 1 FROM generate_series(1, {changes // 2}) AS id"
    async with writing(ledger, database.writer_url, pause_seconds=0.1):
        await run(
            database.writer_url,
            f"INSERT INTO account (id, version) {rows}",
            f"UPDATE account SET version = 2 WHERE id > {FIRST_ID}",
        )

    await deliver_with_a_kill(served, env, tmp_path, changes=changes)

    seen = Seen(served)
    assert list(seen.places.values()) == [set(range(1, changes + 1))]
    assert seen.counts == expected_counts(changes)
    assert seen.repeats < REPEATS
    assert seen.others >= ledger.changes


def expected_counts(changes: int) -> Mapping[int | None, int]:
    """How many of a transaction's changes say how many there are."""
    return {changes: changes} if changes <= transaction_counts.MAX_TOTAL else {None: changes - 1, changes: 1}


@pytest.mark.parametrize("changes", BACKLOGS)
async def test_a_backlog_of_many_transactions_arrives_in_order_by_as_little_memory(
    database: Database, served: Served, env: Mapping[str, str], tmp_path: Path, changes: int
) -> None:
    await create_accounts(database.url)
    await run(database.writer_url, many_transactions(rows=changes // 2))

    await deliver_with_a_kill(served, env, tmp_path, changes=changes)

    seen = Seen(served)
    assert sizes(seen) == {1000: changes // 1000}
    assert seen.counts == {1000: changes}
    assert seen.repeats < REPEATS


def many_transactions(*, rows: int) -> str:
    """Every row inserted, and then every row updated, 1,000 rows a transaction."""
    return f"""
        DO $$
        BEGIN
            FOR low IN {FIRST_ID}..{FIRST_ID + rows - 1} BY 1000 LOOP
                INSERT INTO account (id, version) SELECT id, 1 FROM generate_series(low, low + 999) AS id;
                COMMIT;
            END LOOP;
            FOR low IN {FIRST_ID}..{FIRST_ID + rows - 1} BY 1000 LOOP
                UPDATE account SET version = 2 WHERE id BETWEEN low AND low + 999;
                COMMIT;
            END LOOP;
        END
        $$"""


def sizes(seen: Seen) -> Counter[int]:
    """How many transactions there are of each size; each is whole."""
    assert all(max(places) == len(places) for places in seen.places.values())
    return Counter(map(len, seen.places.values()))
