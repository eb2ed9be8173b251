"""Reads a table without a key, by the places of its rows in its file.

A row that the snapshot at the beginning of the load sees stays at its place until it is changed, and then it is told as a change. So all
that is behind the last block of that time is new, and what was read once need not be read again. Only where the file was exchanged for
another one, nothing is known any more.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import Connection
from forwarder.errors import Rewritten
from forwarder.load.chunk import Place
from forwarder.load.files import may_be_new
from forwarder.load.makers import Age
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

    def following(self, found: Portions, making: KeylessMaking, place: Place) -> Place | None:
        """Where the next chunk begins; None: nothing is left of this table."""
        if not found.is_end:
            assert found.last is not None
            last = making.place(found.last)
        elif self.until < self.end:
            last = f"({self.until},0)"
        else:
            return None
        return msgspec.structs.replace(place, after=(last, str(self.end), self.file))


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
        if place.files is None:
            is_altered = may_be_new(found, begun=begun, now=now)
        else:
            # One that is not among them was created or attached since.
            is_altered = place.files.get(place.relation, found["file"]) != found["file"]
        after, end, file = "(0,0)", found["blocks"], str(found["file"])
    else:
        # A place in the order of a key means nothing here: the table has lost its key.
        after, end_text, file = place.after if place.order is None else ("(0,0)", "0", "")
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
    told = await _nested(connection, plan, making, begun) | await _turned(connection, plan, making)
    if told:
        found.rows = [row for row in found.rows if row.identity not in told]


async def _nested(connection: Connection, plan: TablePlan, making: KeylessMaking, begun: Snapshot) -> set[str | None]:
    """The rows that a transaction has made which was running when the load began."""
    rows = [row for made, _, row in making.seeming if made is Age.SEEMS_OLD and row.after is not None]
    if not rows:
        return set()
    told = await connection.fetch(
        query("load_told_images"), list(begun.running), plan.table_id, [row.after for row in rows]
    )
    images = {image for (image,) in told}
    return {row.identity for row in rows if row.after in images}


async def _turned(connection: Connection, plan: TablePlan, making: KeylessMaking) -> set[str | None]:
    """The rows that are new indeed, and not as old as the ids that have come round."""
    rows = [(txid, row) for made, txid, row in making.seeming if made is Age.SEEMS_NEW]
    if not rows:
        return set()
    told = await connection.fetch(
        query("load_told"), [txid for txid, _ in rows], [row.after for _, row in rows], plan.table_id
    )
    return {rows[number - 1][1].identity for (number,) in told}
