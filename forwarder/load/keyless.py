"""Reads a table without a key, by the places of its rows in its file.

A row that the snapshot at the beginning of the load sees stays at its place until it is changed, and then it is told as a change. So all
that is behind the last block of that time is new, and what was read once need not be read again. Only where the file was exchanged for
another one, nothing is known any more.
"""

from __future__ import annotations

from typing import NamedTuple

from forwarder.database.queries import query
from forwarder.database.sessions import Connection
from forwarder.errors import Rewritten
from forwarder.load.chunk import Place
from forwarder.load.makers import Age, maker
from forwarder.load.making import KeylessMaking
from forwarder.load.portions import Portions
from forwarder.load.table_plan import TablePlan
from forwarder.outbox.position import Snapshot

# So that a table of empty blocks does not take a chunk longer than one that is full.
MAX_BLOCKS = 2048


class FileRange(NamedTuple):
    """The part of a table's file that a chunk is of."""

    # A ctid, behind which it begins.
    after: str
    # The blocks before which the chunk ends, and the load of this table.
    until: int
    end: int
    file: str

    def following(self, found: Portions, making: KeylessMaking, relation: int) -> Place | None:
        """Where the next chunk begins; None: nothing is left of this table."""
        if not found.is_end:
            last = making.place(found.records[-1])
        elif self.until < self.end:
            last = f"({self.until},0)"
        else:
            return None
        return Place(relation, (last, str(self.end), self.file))


async def file_range(
    connection: Connection, plan: TablePlan, place: Place, *, begun: Snapshot, now: Snapshot
) -> FileRange:
    """The part of the file with which a chunk begins; its end is far enough away, and not too far.

    Raises:
        Rewritten: the rows are not where they were when the load began.
    """
    found = await connection.fetchrow(query("load_file"), place.relation)
    assert found is not None
    if place.after is None:
        is_altered = not begun.sees(maker(found["class_maker"], now)) and begun.sees(maker(found["type_maker"], now))
        after, end, file = "(0,0)", found["blocks"], str(found["file"])
    else:
        after, end_text, file = place.after
        end, is_altered = int(end_text), file != str(found["file"])
    if is_altered:
        raise Rewritten(
            f"{plan.qualified_name} was altered or written anew (VACUUM FULL, say) since its load began, and has no key to go on by;"
            " `forwarder load --restart`"
        )
    first = int(after[1:].partition(",")[0])
    return FileRange(after, min(first + MAX_BLOCKS, end), end, file)


async def leave_out_told(
    connection: Connection, plan: TablePlan, found: Portions, making: KeylessMaking, begun: Snapshot
) -> None:
    """Ask the outbox which of the rows that may be new are told as changes, and leave these out of a chunk."""
    by_age = {
        wanted: [(txid, row) for made, txid, row in making.seeming if made is wanted]
        for wanted in (Age.SEEMS_OLD, Age.SEEMS_NEW)
    }
    told: set[str | None] = set()
    if nested := [row for _, row in by_age[Age.SEEMS_OLD] if row.after is not None]:
        images = {
            image
            for (image,) in await connection.fetch(
                query("load_told_images"), list(begun.running), plan.table_id, [row.after for row in nested]
            )
        }
        told |= {row.identity for row in nested if row.after in images}
    if turned := by_age[Age.SEEMS_NEW]:
        txids = {
            txid
            for (txid,) in await connection.fetch(
                query("load_told_transactions"), list({txid for txid, _ in turned}), plan.table_id
            )
        }
        told |= {row.identity for txid, row in turned if txid in txids}
    if told:
        found.rows = [row for row in found.rows if row.identity not in told]
