"""A TRUNCATE in its place among the changes of its table, whatever lanes they travel in. Pure.

Lanes keep the records of one key in order. A TRUNCATE concerns every key of its table, and so does a gap. So what comes of a table
is cut into stretches: changes of rows, and between them barriers. A stretch that may be scheduled is under way until all of it is
delivered, or set aside. Of the stretches of one table

  * a barrier is under way alone, changes of rows only beside changes of rows;
  * none goes under way before one that came before it.

    arrives ──another of its table waits, or is under way that it must not meet──► waiting
       │                                                                              │ that is delivered, and nothing
       │ else                                                                         ▼ of the table waits before it
       └──────────────────────────────────────────────────────────────────────► under way ──delivered──► gone

So when a barrier goes under way, all that came before it has been under way and is delivered, and nothing that came after it is under
way before it is delivered itself: the whole proof of the rule. (It is a lock for readers and writers that is fair, one a table: barriers
write.) What is under way waits for its lane, but never for anything here, so all that waits comes under way in the end. Tables do not
wait for each other, and what waits is in memory like what does not: nothing has to be read for it to go on.

The work is O(1) a record, and without barriers O(1) a page and table; a delivery looks at each table of which something waits.

Barriers that follow each other on a page, as those of a table's partitions do, are one stretch: they travel in one lane, which keeps
them in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from forwarder.records.packing import Packed
from forwarder.records.record import Record, Stretch

# Behind a lane that is halted for days, stretches that are delivered are let go when there are so many, and again when as many have come.
MANY_STRETCHES = 256


class _Table:
    """The stretches of one table."""

    __slots__ = ("under_way", "waiting")

    def __init__(self) -> None:
        # In order; those that are delivered leave when somebody looks.
        self.under_way: deque[Stretch] = deque()
        self.waiting: deque[tuple[Stretch, list[Record]]] = deque()

    def admits(self, stretch: Stretch) -> bool:
        """Whether it may go under way beside those that are."""
        under_way = self.under_way
        while under_way and not under_way[0].undelivered:
            under_way.popleft()
        return not under_way or not (stretch.is_barrier or under_way[0].is_barrier)


class Barriers:
    """What is under way of each table, and what waits. It learns of a delivery from the sets of the stretches, which shrink."""

    __slots__ = ("_sweep_at", "_tables", "_under_way", "_with_waiting", "bytes", "records")

    def __init__(self) -> None:
        # The tables of which something is under way or waits, by their ids.
        self._tables: dict[int, _Table] = {}
        self._with_waiting: dict[int, _Table] = {}
        # Of all tables, in the order in which they went under way.
        self._under_way: deque[Stretch] = deque()
        self._sweep_at = MANY_STRETCHES
        # What waits.
        self.records = 0
        self.bytes = 0

    def admit(self, packed: Packed) -> Sequence[Record]:
        """Take a page in; those of its records that go under way, in order."""
        self._forget_delivered()
        waiting: dict[int, list[Record]] = {}
        for stretch in packed.stretches:
            if not self._enters(stretch):
                waiting[id(stretch.undelivered)] = self._wait(stretch)
        if not waiting:
            return packed.records
        admitted: list[Record] = []
        for record in packed.records:
            waiting.get(id(record.undelivered), admitted).append(record)
        for records in waiting.values():
            self._count(records, sign=1)
        return admitted

    def follow(self, record: Record) -> Sequence[Record]:
        """Take in a record of a page that was admitted before it could be handed over; itself, if its stretch is under way."""
        for table in self._with_waiting.values():
            for stretch, records in table.waiting:
                if stretch.undelivered is record.undelivered:
                    records.append(record)
                    self._count((record,), sign=1)
                    return ()
        return (record,)

    def release(self) -> Sequence[Record]:
        """The records that go under way now, in order: to be asked for after deliveries."""
        if not self._with_waiting:
            return ()
        released: list[Record] = []
        for table_id, table in list(self._with_waiting.items()):
            while table.waiting and table.admits(table.waiting[0][0]):
                stretch, records = table.waiting.popleft()
                self._go(stretch, table)
                released += records
            if not table.waiting:
                del self._with_waiting[table_id]
        self._count(released, sign=-1)
        return released

    def _enters(self, stretch: Stretch) -> bool:
        """Let a stretch that arrives go under way, if it may."""
        table = self._tables.get(stretch.table)
        if table is None:
            table = self._tables[stretch.table] = _Table()
        elif table.waiting or not table.admits(stretch):
            return False
        self._go(stretch, table)
        return True

    def _go(self, stretch: Stretch, table: _Table) -> None:
        table.under_way.append(stretch)
        self._under_way.append(stretch)

    def _wait(self, stretch: Stretch) -> list[Record]:
        table = self._with_waiting[stretch.table] = self._tables[stretch.table]
        records: list[Record] = []
        table.waiting.append((stretch, records))
        return records

    def _count(self, records: Sequence[Record], *, sign: int) -> None:
        self.records += sign * len(records)
        self.bytes += sign * sum(len(record.data) for record in records)

    def _forget_delivered(self) -> None:
        """So that no more is kept than there is in memory."""
        under_way = self._under_way
        while under_way and not under_way[0].undelivered:
            stretch = under_way.popleft()
            table = self._tables[stretch.table]
            if table.under_way and table.under_way[0] is stretch:
                table.under_way.popleft()
            if not table.under_way and not table.waiting:
                del self._tables[stretch.table]
        if len(under_way) >= self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        """Let go of those too that are delivered and came after one that is not."""
        self._under_way = _undelivered(self._under_way)
        for table_id, table in list(self._tables.items()):
            table.under_way = _undelivered(table.under_way)
            if not table.under_way and not table.waiting:
                del self._tables[table_id]
        self._sweep_at = len(self._under_way) + MANY_STRETCHES


def _undelivered(stretches: deque[Stretch]) -> deque[Stretch]:
    return deque(stretch for stretch in stretches if stretch.undelivered)
