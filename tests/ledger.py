"""Writers that keep a ledger of what they committed, and the audit of a stream against it.

Every change of a row raises the version that the row holds by one; a deletion counts as a change. So what must arrive is known
without a look at the outbox, and so is the order.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Literal

import anyio
import asyncpg
import msgspec

from forwarder.demo.audit import Findings, first_readings
from forwarder.demo.audit import audit as compare
from forwarder.demo.ledger import Arrival, Change, Commit
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

Kind = Literal["insert", "update", "hot", "many", "late", "rollback", "delete"]

HOT_ID = 0
SHARED_IDS = 40
LATE_SECONDS = 0.03
# Chosen with these weights; a deleted row is inserted again by one of its writer's next transactions.
MIX: dict[Kind, int] = {"insert": 4, "update": 6, "hot": 5, "many": 2, "late": 1, "rollback": 2, "delete": 2}

# A server that says goodbye while a query is being sent confuses asyncpg: InternalClientError.
_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_OPERATIONS: dict[Kind, str] = {
    "insert": "insert",
    "update": "update",
    "hot": "update",
    "many": "update",
    "late": "update",
    "delete": "delete",
}


class Ledger:
    """What was committed, and what of it nobody knows yet, because the answer to COMMIT never came."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.unanswered: dict[int, Commit] = {}
        self._attempts = 0

    @property
    def changes(self) -> int:
        """How many changes were committed."""
        return sum(len(commit.changes) for commit in self.commits)

    def attempt(self, changes: Sequence[Change]) -> int:
        """COMMIT is about to be sent. The number that this answers goes into the table ``journal`` with the changes."""
        self._attempts += 1
        self.unanswered[self._attempts] = Commit(at=time.time(), changes=changes)
        return self._attempts

    def confirm(self, number: int) -> None:
        """COMMIT was answered."""
        self.commits.append(self.unanswered.pop(number))

    def inserted(self, *ids: int) -> None:
        """A transaction was committed that inserted these rows, in version 1."""
        self.commits.append(Commit(at=time.time(), changes=[_change(identity, "insert", 1) for identity in ids]))

    async def settle(self, url: str) -> None:
        """Ask the journal what became of the transactions whose answer was lost.

        ``pg_xact_status`` would not do: a crashed server gives a transaction id that never reached the disk to another.
        """
        connection = await asyncpg.connect(url)
        try:
            for row in await connection.fetch("SELECT number FROM journal WHERE number = ANY ($1)", [*self.unanswered]):
                self.confirm(row["number"])
        finally:
            await connection.close()
        self.unanswered.clear()


async def create_accounts(url: str) -> None:
    """The table that the writers change, captured, with some rows in version 0 that were there before."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE account (id bigint PRIMARY KEY, version bigint NOT NULL, note text)")
        await connection.execute("CREATE TABLE journal (number bigint PRIMARY KEY)")
        await connection.execute(f"INSERT INTO account SELECT id, 0 FROM generate_series(0, {SHARED_IDS - 1}) AS id")
        table_id = await connection.fetchval(
            "INSERT INTO forwarder.captured_table (relation, schema_name, table_name, key_columns)"
            """ VALUES ('account'::regclass, 'public', 'account', '[{"attnum": 1, "names": ["id"]}]') RETURNING id"""
        )
        await connection.execute(
            'CREATE TRIGGER "00_forwarder_capture" AFTER INSERT OR UPDATE OR DELETE ON account'
            f" FOR EACH ROW EXECUTE FUNCTION forwarder.capture('{table_id}', 'full')"
        )
    finally:
        await connection.close()


class Writer:
    """One application: its own connection, which it opens again when it is lost, and a seeded mix of transactions."""

    def __init__(self, ledger: Ledger, url: str, *, number: int, pause_seconds: float = 0.0) -> None:
        self._ledger = ledger
        self._url = url
        self._pause_seconds = pause_seconds
        self._random = Random(number)
        self._new_id = 1_000_000 * (number + 1)
        self._deleted: list[tuple[int, int]] = []

    async def run(self, *, transactions: int | None = None, until: anyio.Event | None = None) -> None:
        """Write so many transactions, or until told to end; one that the server's end cut off does not count."""
        done = 0
        while done != transactions and not (until and until.is_set()):
            try:
                # A prepared statement would outlive its transaction, which writers behind a pooler must not rely on.
                connection = await asyncpg.connect(self._url, timeout=5, statement_cache_size=0)
            except (TimeoutError, *_LOST):
                await anyio.sleep(0.02)
                continue
            try:
                while done != transactions and not (until and until.is_set()):
                    await self._transaction(connection)
                    done += 1
            except _LOST:
                pass
            finally:
                connection.terminate()

    async def _transaction(self, connection: Connection) -> None:
        if self._pause_seconds:
            await anyio.sleep(self._random.uniform(0, 2 * self._pause_seconds))
        kind = self._random.choices(list(MIX), list(MIX.values()))[0]
        # Nothing that an insert reads depends on its snapshot, and the forwarder must not depend on it either.
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" if kind == "insert" else "BEGIN")
        if kind == "late":
            # It takes its transaction id before others change, and commit, what it changes and commits after them.
            await connection.execute("SELECT pg_current_xact_id()")
            await anyio.sleep(self._random.uniform(0, LATE_SECONDS))
        reinserted = self._deleted.pop() if self._deleted and kind == "insert" else None
        rows = await self._write(connection, kind, reinserted)
        if kind == "late":
            await anyio.sleep(self._random.uniform(0, LATE_SECONDS))
        if kind == "rollback" or not rows:
            await connection.execute("ROLLBACK")
            return
        number = self._ledger.attempt([_change(row["id"], _OPERATIONS[kind], row["version"]) for row in rows])
        await connection.execute("INSERT INTO journal VALUES ($1)", number)
        await connection.execute("COMMIT")
        self._ledger.confirm(number)
        if kind == "delete":
            self._deleted.extend((row["id"], row["version"]) for row in rows)

    async def _write(
        self, connection: Connection, kind: Kind, reinserted: tuple[int, int] | None
    ) -> list[asyncpg.Record]:
        returning = "RETURNING account.id, account.version"
        if kind == "insert":
            if reinserted is None:
                self._new_id += 1
            identity, version = reinserted or (self._new_id, 0)
            insert = f"INSERT INTO account VALUES ($1, $2, 'a note') {returning}"
            return await connection.fetch(insert, identity, version + 1)
        if kind == "delete":
            delete = "DELETE FROM account WHERE id = $1 RETURNING id, version + 1 AS version"
            return await connection.fetch(delete, self._random.randrange(1, SHARED_IDS))
        if kind == "hot":
            return await connection.fetch(f"UPDATE account SET version = version + 1 WHERE id = {HOT_ID} {returning}")
        # In order of id, so that no two writers wait for each other.
        first, many = self._random.randrange(1, SHARED_IDS), 15 if kind == "many" else 1
        update = (
            "UPDATE account SET version = version + 1 WHERE id IN (SELECT id FROM account"
            f" WHERE id >= $1 AND id < $2 ORDER BY id FOR UPDATE) {returning}"
        )
        return await connection.fetch(update, first, first + many)


async def write(ledger: Ledger, url: str, *, transactions: int, first_writer: int = 0) -> None:
    """So many transactions of each of three writers at once."""
    async with anyio.create_task_group() as tasks:
        for number in range(first_writer, first_writer + 3):
            tasks.start_soon(_run, Writer(ledger, url, number=number), transactions)


async def _run(writer: Writer, transactions: int) -> None:
    await writer.run(transactions=transactions)


@asynccontextmanager
async def writing(
    ledger: Ledger, url: str, *, pause_seconds: float = 0.0, first_writer: int = 0
) -> AsyncIterator[None]:
    """Three writers for the length of a block, pausing so long between transactions; at its end the ledger is complete."""
    end = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for number in range(first_writer, first_writer + 3):
            tasks.start_soon(_run_until, Writer(ledger, url, number=number, pause_seconds=pause_seconds), end)
        yield
        end.set()
    await ledger.settle(url)


async def _run_until(writer: Writer, end: anyio.Event) -> None:
    await writer.run(until=end)


async def write_rows(ledger: Ledger, url: str, *ids: int, note: str = "") -> None:
    """New rows, all in one transaction."""
    connection = await asyncpg.connect(url)
    try:
        insert = "INSERT INTO account SELECT id, 1, $2 FROM unnest($1::bigint[]) AS id"
        await connection.execute(insert, ids, note)
    finally:
        await connection.close()
    ledger.inserted(*ids)


def _change(identity: int, operation: str, version: int) -> Change:
    return Change("account", (identity,), operation, version)


class _Row(msgspec.Struct):
    id: int
    version: int


class _Record(msgspec.Struct):
    id: str
    seq: int
    op: str
    before: _Row | None
    after: _Row | None


_RECORD = msgspec.json.Decoder(_Record)


def arrival(data: bytes) -> Arrival:
    """What a record says."""
    record = _RECORD.decode(data)
    row = record.after or record.before
    assert row
    version = row.version if record.after else row.version + 1
    return Arrival(
        id=record.id, seq=record.seq, change=_change(row.id, record.op, version), at=0.0, shard="", data=data
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A stream against the ledger."""

    findings: Findings
    # Ids that came again with other bytes: a consumer that drops repeats by id would be deceived.
    forged: Sequence[str]

    @property
    def repeats(self) -> int:
        return self.findings.repeats

    @property
    def lost_ids(self) -> set[int]:
        """Rows that have a change which is not there (yet)."""
        return {change.key[0] for change in self.findings.lost}

    def assert_faultless(self) -> None:
        found = self.findings
        faults = {
            "lost": found.lost,
            "out of order": found.out_of_order,
            "phantoms": found.phantoms,
            "forged": self.forged,
        }
        assert not any(faults.values()), {name: (len(fault), fault[:5]) for name, fault in faults.items()}


def audit(ledger: Ledger, stream: Iterable[bytes]) -> Audit:
    """Compare the data of records, in the order in which they are stored, with what was committed."""
    arrivals = [arrival(data) for data in stream]
    first_data = {first.id: first.data for first in first_readings(arrivals)}
    return Audit(
        findings=compare(ledger.commits, arrivals),
        forged=[again.id for again in arrivals if again.data != first_data[again.id]],
    )


class Missing:
    """The committed changes that a stream lacks, as both grow.

    To be asked time and again beside what it watches, so it looks at each commit and reads each record once.
    """

    def __init__(self, ledger: Ledger, stream: Callable[[], Sequence[bytes]]) -> None:
        self._ledger = ledger
        self._stream = stream
        self._commits = 0
        self._read: set[bytes] = set()
        self._arrived: set[Change] = set()
        self._missing: set[Change] = set()

    def changes(self) -> Collection[Change]:
        """What was committed and is not there (yet)."""
        new = self._ledger.commits[self._commits :]
        self._commits += len(new)
        self._missing.update(change for commit in new for change in commit.changes if change not in self._arrived)
        for data in self._stream():
            if data not in self._read:
                self._read.add(data)
                change = arrival(data).change
                self._arrived.add(change)
                self._missing.discard(change)
        return self._missing

    def ids(self) -> set[int]:
        """The rows that have such a change."""
        return {change.key[0] for change in self.changes()}

    async def nothing(self) -> bool:
        """Whether all that was committed is there."""
        return not self.changes()


async def all_delivered(
    ledger: Ledger, stream: Callable[[], Sequence[bytes]], *, within_seconds: float = 40.0
) -> Audit:
    """Wait until nothing is missing, and answer an audit without a fault. The writers have ended.

    It waits as long as something comes: ``within_seconds`` are for the next.
    """
    missing = Missing(ledger, stream)
    arrived = -1
    while len(stream()) > arrived:
        arrived = len(stream())
        with suppress(TimeoutError):
            await eventually(missing.nothing, within_seconds=within_seconds)
            break
    found = audit(ledger, stream())
    found.assert_faultless()
    return found
