"""Keeps a TRUNCATE in its place among the changes of its table, which lanes alone would not. Pure.

Lanes keep the changes of one key in order. A TRUNCATE concerns every key of its table, and so does a gap in what was captured: such
changes are barriers. The changes of a table are cut into stretches (``forwarder.records.stretches``): of barriers, and of changes of rows
between them. A stretch is under way from when its records may be scheduled until all of them are delivered or set aside. Two rules hold
for the stretches of one table:

1. A stretch of changes of rows may be under way beside others of its kind; a barrier is under way alone.
2. No stretch goes under way before one that arrived earlier.

Example: two inserts, a TRUNCATE and an insert arrive in this order.

    insert 1, insert 2   under way at once
    TRUNCATE 3           waits (rule 1)       under way when 1 and 2 are delivered
    insert 4             waits (rule 2)       still waits (rule 1)                  under way when 3 is delivered

    arrives ──nothing of the table waits, and rule 1 allows it──────────────────────────────► under way ──delivered──► gone
       │                                                                                          ▲
       └──else──► waiting ──it is the first that waits, and rule 1 allows it──────────────────────┘

Hence the order: when a barrier goes under way, all before it has gone under way (rule 2) and is delivered (rule 1), and all after it waits
until it is delivered. This is a fair lock for readers and writers, one a table: changes of rows read, barriers write.

Nothing waits for ever: what is under way waits for its lane, and for nothing here. Tables do not wait for each other. What waits is in
memory, so nothing has to be read for it to go on.

The work is O(1) a record, and without barriers O(1) a page and table; a delivery looks at each table of which something waits.

Barriers that follow each other on a page, as those of a table and its partitions do, are one stretch. Their records have one key, so
a lane keeps them in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from forwarder.records.packing import Packed
from forwarder.records.record import Record, Stretch

# A lane that is halted for days keeps the first stretch of a queue undelivered, and delivered ones pile up behind it. They are removed
# whenever the queue has grown by so many.
MANY_STRETCHES = 256


class _Table:
    """The stretches of one table."""

    __slots__ = ("under_way", "waiting")

    def __init__(self) -> None:
        # In the order of arrival. Delivered ones stay until `admits`, or a sweep, comes upon them.
        self.under_way: deque[Stretch] = deque()
        # Each with those of its records that have arrived.
        self.waiting: deque[tuple[Stretch, list[Record]]] = deque()

    def admits(self, stretch: Stretch) -> bool:
        """Whether the stretch may go under way beside those that are (rule 1)."""
        under_way = self.under_way
        while under_way and not under_way[0].undelivered:
            under_way.popleft()
        return not under_way or not (stretch.is_barrier or under_way[0].is_barrier)


class Barriers:
    """The stretches of all tables, and the records of those that wait.

    Nobody reports deliveries here. A record refers to the ``undelivered`` set of its stretch, and whoever delivers it removes its seq from
    that set: a stretch is delivered when its set is empty.
    """

    __slots__ = ("_sweep_at", "_tables", "_under_way", "_with_waiting", "bytes", "records")

    def __init__(self) -> None:
        # By the table's id: those of which something is under way or waits, and of these the ones of which something waits.
        self._tables: dict[int, _Table] = {}
        self._with_waiting: dict[int, _Table] = {}
        # The stretches of all tables, in the order in which they went under way.
        self._under_way: deque[Stretch] = deque()
        self._sweep_at = MANY_STRETCHES
        # How many records wait, and how many bytes of data they have.
        self.records = 0
        self.bytes = 0

    def admit(self, packed: Packed) -> Sequence[Record]:
        """Take a page in, and return those of its records that may be scheduled now, in order; the others wait."""
        self._forget_delivered()
        # The lists of the stretches that wait, by the identity of the set that a stretch and its records refer to.
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
        """Take in a record that arrives after its page was admitted, since its data had to be read first.

        Returns the record if its stretch is under way, and nothing if it waits with its stretch.
        """
        for table in self._with_waiting.values():
            for stretch, records in table.waiting:
                if stretch.undelivered is record.undelivered:
                    records.append(record)
                    self._count((record,), sign=1)
                    return ()
        return (record,)

    def release(self) -> Sequence[Record]:
        """The records that may be scheduled since something was delivered, in order."""
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
        """Let a stretch that arrives go under way, if both rules allow it."""
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
        """Remove delivered stretches from the front of the queues, and tables of which nothing is left."""
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
        """Remove delivered stretches from the middle of the queues too."""
        self._under_way = _undelivered(self._under_way)
        for table_id, table in list(self._tables.items()):
            table.under_way = _undelivered(table.under_way)
            if not table.under_way and not table.waiting:
                del self._tables[table_id]
        self._sweep_at = len(self._under_way) + MANY_STRETCHES


def _undelivered(stretches: deque[Stretch]) -> deque[Stretch]:
    return deque(stretch for stretch in stretches if stretch.undelivered)
