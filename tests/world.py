"""A model of PostgreSQL's transactions and of what our queries promise, for tests that let anything happen at any moment.

Transactions take their id late and end in any order; a snapshot's xmax is the latest *completed* id plus one, so a running
transaction with a higher id is not listed in it; a row has one writer at a time.
"""

from __future__ import annotations

import itertools
import json
from bisect import insort
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

from forwarder.database.queries import query
from forwarder.outbox.position import Snapshot

# Nobody restores a dump into the model.
HISTORY_STAMP = "1/99"


class Row(NamedTuple):
    """A row of the outbox that is read by place and by name too, as asyncpg's records are."""

    seq: int
    txid: Any
    at: Any
    table_id: Any
    relation: Any
    op: bytes
    before: Any
    after: Any
    fault: Any
    context: Any = None
    extra: Any = None
    image_bytes: int = 0

    def __getitem__(self, name: Any) -> Any:
        return getattr(self, name) if isinstance(name, str) else tuple.__getitem__(self, name)


@dataclass(eq=False)
class Transaction:
    by_reader: bool = False
    xid: int | None = None
    locked: set[int] = field(default_factory=set)
    changes: list[Row] = field(default_factory=list)
    # The position that it stores if it commits.
    position: dict[str, Any] | None = None
    committed: bool | None = None

    @property
    def running(self) -> bool:
        return self.committed is None


class World:
    """The model database: transactions, row locks, the sequence, and one sink's row."""

    def __init__(self) -> None:
        self.next_xid = 100
        self.latest_completed = 99
        self.last_seq = 0
        self.transactions: list[Transaction] = []
        self.running: list[Transaction] = []
        # What has been committed, in the order of seq.
        self.visible: list[Row] = []
        self.commits = itertools.count()
        # The place of every committed change among all commits.
        self.commit_place: dict[int, int] = {}
        self.stored: dict[str, Any] = {
            "delivered": (1, 1, ()),
            "floor_seq": 0,
            "batch": None,
            "batch_floor_seq": None,
            "batch_ceiling_seq": None,
            "batch_last_seq": None,
            "batch_numbered": None,
            "last_seq": 0,
        }

    def begin(self, *, by_reader: bool = False) -> Transaction:
        transaction = Transaction(by_reader=by_reader)
        self.transactions.append(transaction)
        self.running.append(transaction)
        return transaction

    def assign_xid(self, transaction: Transaction) -> None:
        if transaction.xid is None:
            transaction.xid = self.next_xid
            self.next_xid += 1

    def lock(self, transaction: Transaction, row: int) -> bool:
        """Change a row, if nobody else has; its trigger has not run yet."""
        if any(row in other.locked for other in self.running if other is not transaction):
            return False
        transaction.locked.add(row)
        self.assign_xid(transaction)
        return True

    def capture(self, transaction: Transaction, row: int, *, padding: int, table_id: int = 1) -> None:
        """The trigger of a changed row runs."""
        self.last_seq += 1
        image = json.dumps({"id": row, "padding": "x" * padding})
        change = (self.last_seq, transaction.xid, 0, table_id, 1000 * table_id, b"U", None, image, None)
        transaction.changes.append(Row(*change, image_bytes=len(image)))

    def end(self, transaction: Transaction, *, commit: bool) -> None:
        transaction.committed = commit
        self.running.remove(transaction)
        if transaction.xid is not None:
            self.latest_completed = max(self.latest_completed, transaction.xid)
        if commit:
            self.stored = transaction.position or self.stored
            for change in transaction.changes:
                self.commit_place[change.seq] = next(self.commits)
                insort(self.visible, change)

    def snapshot(self) -> Snapshot:
        xmax = self.latest_completed + 1
        running = sorted(t.xid for t in self.running if t.xid is not None and t.xid < xmax)
        return Snapshot(running[0] if running else xmax, xmax, tuple(running))

    @property
    def all_changes(self) -> list[Row]:
        return sorted(change for t in self.transactions for change in t.changes)

    def drain(
        self,
        xmax: int,
        running: Sequence[int],
        floor_seq: int,
        page_rows: int,
        page_bytes: int,
        large_bytes: int,
        leave_all: bool,  # noqa: FBT001
    ) -> list[Row]:
        """What drain.sql promises."""
        assert not leave_all, "every image can be read"
        found = [row for txid in running for row in [r for r in self.visible if r.txid == txid][: page_rows + 1]]
        found += sorted((r for r in self.visible if r.txid >= xmax and r.seq > floor_seq), key=txid_of)[: page_rows + 1]
        complete = len(found) <= page_rows and sum(min(size(row), large_bytes) for row in found) <= page_bytes
        header = {"snapshot": str(self.snapshot()), "complete": complete, "history_stamp": HISTORY_STAMP}
        first = Row(0, None, None, None, None, b"H", None, json.dumps(header), None)
        return [first, *(sorted(without_large_images(found, large_bytes)) if complete else ())]

    def page(
        self,
        xmax: int,
        running: Sequence[int],
        floor_seq: int,
        page_rows: int,
        page_bytes: int,
        batch: Snapshot,
        ceiling_seq: int,
        last_seq: int,
        batch_floor_seq: int,
        large_bytes: int,
        leave_all: bool,  # noqa: FBT001
    ) -> list[Row]:
        """What page.sql promises."""
        assert not any(row.txid >= batch.xmax and row.seq <= batch_floor_seq for row in self.visible), (
            "a floor that is too high"
        )
        assert not leave_all, "every image can be read"
        of_batch = [row for row in self.visible if batch.sees(row.txid)]
        found = [
            row for txid in running for row in [r for r in of_batch if r.txid == txid and r.seq > last_seq][:page_rows]
        ]
        low = max(last_seq, floor_seq)
        found += [r for r in of_batch if low < r.seq <= ceiling_seq and r.txid >= xmax][:page_rows]
        rows = sorted(found)[:page_rows]
        total = itertools.accumulate(min(size(row), large_bytes) for row in rows)
        numbered = enumerate(zip(rows, total, strict=True))
        on_page = [row for number, (row, bytes_) in numbered if bytes_ <= page_bytes or not number]
        return without_large_images(on_page, large_bytes)

    def look_apart(self, seqs: Sequence[int], sink: str | None, large_bytes: int) -> list[dict[str, Any]]:
        """What look_apart.sql promises."""
        assert sink is None
        rows = [row for row in self.visible if row.seq in seqs]
        assert all(size(row) > large_bytes for row in rows)
        nothing = {"before": None, "after": None, "fault": None, "is_large": True, "before_bytes": None, "moved": None}
        return [{"seq": row.seq, **nothing, "after_bytes": size(row), "head": row.after[:20]} for row in rows]

    def key_members(self, seqs: Sequence[int], sink: str | None) -> list[tuple[int, str]]:
        """What key_members.sql promises."""
        assert sink is None
        rows = [row for row in self.visible if row.seq in seqs]
        return [(row.seq, json.dumps({"id": json.loads(row.after)["id"]})) for row in rows]

    def count_transactions(self, txids: Sequence[int], up_to: int, limit: int) -> list[dict[str, int]]:
        """What count_transactions.sql promises."""
        return self._counts([row for row in self.visible if row.txid in txids], up_to, limit)

    def count_runs(self, firsts: Sequence[int], lasts: Sequence[int], up_to: int, limit: int) -> list[dict[str, int]]:
        """What count_runs.sql promises."""
        txids = {txid for first, last in zip(firsts, lasts, strict=True) for txid in range(first, last + 1)}
        return self._counts([row for row in self.visible if row.txid in txids], up_to, limit)

    def _counts(self, rows: Iterable[Row], up_to: int, limit: int) -> list[dict[str, int]]:
        looked_at = sorted(rows, key=txid_of)[:limit]
        seqs = {txid: [row.seq for row in rows] for txid, rows in itertools.groupby(looked_at, key=txid_of)}
        return [
            {"txid": txid, "total": len(mine), "earlier": sum(seq <= up_to for seq in mine)}
            for txid, mine in seqs.items()
            if len(mine) > 1
        ]

    def count_transaction(self, txid: int, up_to: int, after_seq: int, limit: int) -> list[dict[str, int | None]]:
        """What count_transaction.sql promises."""
        mine = [row.seq for row in self.visible if row.txid == txid and row.seq > after_seq][:limit]
        earlier = sum(seq <= up_to for seq in mine)
        return [{"total": len(mine), "earlier": earlier, "last_seq": max(mine, default=None)}]

    def last_change(self, txid: int) -> list[dict[str, int]]:
        """What last_change.sql promises."""
        return [{"seq": max(row.seq for row in self.visible if row.txid == txid)}]


class Pause:
    """Where a statement begins, or where another session may overtake one that reads a floor."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Session:
    """What the reader takes for its connection. ``pause`` is where anything else may happen: between statements, and amid some."""

    def __init__(self, world: World, *, pause: Callable[[], Awaitable[None]] = Pause) -> None:
        self._world = world
        self._pause = pause
        self._open: Transaction | None = None

    def is_in_transaction(self) -> bool:
        return self._open is not None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        await self._pause()
        async with self._statement() as self._open:
            yield
            await self._pause()
        self._open = None

    @asynccontextmanager
    async def _statement(self) -> AsyncIterator[Transaction]:
        """The transaction that a statement runs in: the one that is open, or one of its own."""
        if self._open:
            yield self._open
            return
        own = self._world.begin(by_reader=True)
        try:
            yield own
        except BaseException:
            self._world.end(own, commit=False)
            raise
        self._world.end(own, commit=True)

    def get_settings(self) -> SimpleNamespace:
        return SimpleNamespace(server_encoding="UTF8")

    async def fetch(self, text: str, *arguments: Any) -> list[Any]:
        await self._pause()
        if text == query("set_aside"):
            async with self._statement() as transaction:
                self._world.assign_xid(transaction)
            return [{"seq": seq} for seq in arguments[1]]
        answers: dict[str, Callable[..., list[Any]]] = {
            query("drain"): self._world.drain,
            query("page"): self._world.page,
            query("look_apart"): self._world.look_apart,
            query("key_members"): self._world.key_members,
            query("count_transactions"): self._world.count_transactions,
            query("count_runs"): self._world.count_runs,
            query("count_transaction"): self._world.count_transaction,
            query("last_change"): self._world.last_change,
            query("tables"): tables,
        }
        return answers[text](*arguments)

    async def execute(self, _text: str, *_: Any) -> None:
        await self._pause()

    async def fetchrow(self, text: str, *_: Any) -> dict[str, Any]:
        await self._pause()
        if text == query("present"):
            return {
                "snapshot": self._world.snapshot(),
                "last_seq": max(self._world.last_seq, 1),
                "history_stamp": HISTORY_STAMP,
            }
        assert text == query("load_position")
        return self._world.stored | {"foreign_history": False, "epoch": 1, "ahead": None}

    async def fetchval(self, text: str, *arguments: Any, timeout: float = 0) -> int | str:  # noqa: ASYNC109 - asyncpg's own
        """save_position.sql, floor.sql, dropped.sql: nothing is, history_stamp.sql, and keeps_commit_times.sql: it does not."""
        await self._pause()
        if text == query("history_stamp"):
            return HISTORY_STAMP
        if text == query("dropped"):
            return 0
        if text == query("keeps_commit_times"):
            return False
        async with self._statement() as transaction:
            floor_seq = await self._read_floor(transaction)
            await self._pause()
            if text == query("save_position"):
                _name, *position, system_identifier, epoch, _tally = arguments
                assert system_identifier is None
                assert epoch == 1
                transaction.position = dict(zip(self._world.stored, position, strict=True))
                assert floor_seq >= transaction.position["floor_seq"], "a floor that is too high"
            else:
                assert text == query("floor")
            return floor_seq

    async def _read_floor(self, transaction: Transaction) -> int:
        """What forwarder.read_floor() promises: it reads the sequence, then gives the transaction its id."""
        assert transaction.xid is None, "a floor cannot be read in a transaction that has an id"
        floor_seq = self._world.last_seq
        await self._pause()
        self._world.assign_xid(transaction)
        return floor_seq


def tables(_ids: Sequence[int] | None) -> list[dict[str, Any]]:
    key_columns = '[{"attnum": 1, "names": ["id"]}]'
    common = {"schema": "public", "key_columns": key_columns, "before_image": "full"}
    return [
        {
            "id": number,
            "relation": 1000 * number,
            "name": f"t{number}",
            "migrated_schema": "public",
            "is_live": True,
            "migrated_name": f"t{number}",
            **common,
        }
        for number in (1, 2)
    ]


def without_large_images(rows: Iterable[Row], large_bytes: int) -> list[Row]:
    return [row._replace(after=None) if size(row) > large_bytes else row for row in rows]


def size(row: Row) -> int:
    return len(row.after)


def txid_of(row: Row) -> int:
    txid: int = row.txid
    return txid
