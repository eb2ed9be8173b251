"""Has the delivered changes of some tables sent again, while everything else goes on: it makes them dead letters that are due.

1. When the replay begins, the sink's position is copied to ``forwarder.replay``. What that position sees and is of these tables is sent again.
2. ``run`` goes through the outbox in pages. The changes of a page are made dead letters in portions, each in a short transaction that also
   stores how far the replay has come. So neither the sink nor its leader waits for it, and a replay that was killed goes on where it was:
   nothing is sent twice or left out.
3. With the last portion nothing is left, and the row of ``forwarder.replay`` is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import asyncpg
from msgspec.structs import replace

from forwarder.database.conflicts import past_conflicts
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Refused
from forwarder.outbox import transaction_counts
from forwarder.outbox.position import UNNUMBERED
from forwarder.outbox.ring import has_hole
from forwarder.outbox.transactions import Transactions
from forwarder.store.portions import portions
from forwarder.store.replay_progress import Progress

# Changes of a page, of whatever tables; to look at them takes some hundredths of a second.
PAGE_ROWS = 5000

_BYTES = attrgetter("bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A change that is to be sent again, and its place in its transaction."""

    seq: int
    bytes: int
    index: int
    count: int | None


class TableReplay:
    """A replay that was begun, by this process or by one that is gone.

    Its methods raise ``Refused`` if another process has taken it over, or ``Unavailable``.
    """

    def __init__(self, connection: Connection, progress: Progress, *, sink: str) -> None:
        self._connection = connection
        self._sink = sink
        self._begun_at = progress.begun_at.isoformat()
        self._transactions = Transactions()
        self.progress = progress

    async def run(self, report: Callable[[Progress], None]) -> None:
        """Have everything sent again that is left; ``report`` is called after each portion that is stored."""
        while self.progress.next_seq <= self.progress.last_seq:
            # Before the page is read. What is dropped later shows when the page is stored: fewer changes are there than were chosen.
            is_short = await self._is_cut()
            page = await self._fetch("replay_page", self._sink, self.progress.next_seq, PAGE_ROWS)
            parts = list(portions(await self._chosen(page), size=_BYTES))
            is_short = is_short or await self._has_hole(page)
            for part in parts[:-1]:
                await self._store(part, next_seq=part[-1].seq + 1, is_short=is_short)
                report(self.progress)
            # Stored even if nothing of the page is chosen, since it says how far the replay has come.
            last_part = parts[-1] if parts else ()
            await self._store(last_part, next_seq=self._end_of(page), is_short=is_short)
            report(self.progress)
        with database_errors("cannot end the replay"):
            await self._connection.execute(query("end_replay"), self._sink, self._begun_at)

    async def _is_cut(self) -> bool:
        oldest = await self._fetch("oldest_change", 0)
        return replace(self.progress, oldest_seq=oldest[0]["seq"] if oldest else None).is_cut

    async def _has_hole(self, page: Sequence[asyncpg.Record]) -> bool:
        """Whether a leaf may have been emptied between changes of this page, before them, or after the last page."""
        behind = [self.progress.last_seq] if len(page) < PAGE_ROWS else []
        [steps] = await self._fetch("seq_steps")
        [dropped] = await self._fetch("dropped")
        seqs = [max(self.progress.next_seq - 1, self.progress.first_seq), *(row["seq"] for row in page), *behind]
        return dropped["txid"] > 0 and has_hole(seqs, leaf_events=steps["leaf_events"], jumps=steps["jumps"])

    def _end_of(self, page: Sequence[asyncpg.Record]) -> int:
        """The ``next_seq`` after a page. After the last one it is above ``last_seq``, so that no empty page has to be read to find the end."""
        return page[-1]["seq"] + 1 if len(page) == PAGE_ROWS else self.progress.last_seq + 1

    async def _chosen(self, page: Sequence[asyncpg.Record]) -> Sequence[Chosen]:
        """The changes of a page that are to be sent again, numbered as they were when they were sent first."""
        unknown = self._transactions.unknown(row["txid"] for row in page if row["is_chosen"])
        for count in await transaction_counts.count(
            self._fetch, unknown, up_to_seq=self.progress.next_seq - 1, numbered=UNNUMBERED
        ):
            self._transactions.learn(count)
        # Asked for after the counting, so that it includes what was dropped meanwhile.
        [dropped] = await self._fetch("dropped")
        self._transactions.doubt(dropped["txid"])
        return list(self._numbered(page))

    def _numbered(self, page: Sequence[asyncpg.Record]) -> Iterator[Chosen]:
        for row in page:
            # A change that was not delivered when the replay began is passed over. The delivered ones of its transaction come before it, so their
            # numbers do not depend on it.
            if row["is_delivered"]:
                index, count = self._transactions.number(row["txid"], row["seq"])
                if row["is_chosen"]:
                    yield Chosen(seq=row["seq"], bytes=row["bytes"], index=index, count=count)

    async def _store(self, chosen: Sequence[Chosen], *, next_seq: int, is_short: bool) -> None:
        """Make these dead letters that are due, and note that the replay goes on at ``next_seq``."""
        stored = await past_conflicts(partial(self._try_to_store, chosen, next_seq=next_seq, is_short=is_short))
        is_short = self.progress.is_short or is_short or stored < len(chosen)
        changes = self.progress.changes + stored
        self.progress = replace(self.progress, next_seq=next_seq, changes=changes, is_short=is_short)

    async def _try_to_store(self, chosen: Sequence[Chosen], *, next_seq: int, is_short: bool) -> int:
        with database_errors("cannot send the changes again"):
            async with self._connection.transaction():
                # If two processes work on one replay, the second waits here for the first, and then finds that the portion is done.
                next_seq_stored = await self._connection.fetchval(query("hold_replay"), self._sink, self._begun_at)
                if next_seq_stored != self.progress.next_seq:
                    raise Refused(
                        f"another `forwarder replay --table` is at work for sink {self._sink!r}, or the sink was removed; let it end"
                    )
                stored = await self._insert(chosen)
                is_short = is_short or stored < len(chosen)
                await self._connection.execute(query("advance_replay"), self._sink, next_seq, stored, is_short)
        return stored

    async def _insert(self, chosen: Sequence[Chosen]) -> int:
        """Make them dead letters that are due. Returns how many of them were in the outbox still."""
        if not chosen:
            return 0
        places = zip(*((change.seq, change.index, change.count) for change in chosen), strict=True)
        status = await self._connection.execute(query("replay_changes"), self._sink, *map(list, places))
        return int(status.split()[-1])

    async def _fetch(self, name: str, *parameters: object) -> Sequence[asyncpg.Record]:
        with database_errors("cannot read what is to be sent again"):
            return await self._connection.fetch(query(name), *parameters)
