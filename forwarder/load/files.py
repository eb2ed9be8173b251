"""Remembers in which files the partitions of a table without a key are, until they are read.

When the turn of a partition comes, the catalog does not tell whether it was written anew since the load began: a GRANT changes its row of pg_class as
VACUUM FULL does. So the first chunk notes the files of all partitions, and later ones compare.
"""

from __future__ import annotations

import asyncpg
import msgspec

from forwarder.database.queries import query
from forwarder.database.sessions import Connection
from forwarder.load.chunk import Place
from forwarder.load.makers import maker
from forwarder.load.table_plan import TablePlan
from forwarder.outbox.position import Snapshot

# They are saved with each chunk. Of a table with more partitions none are noted until fewer are left.
MOST_FILES = 1000
# In place of the file of a partition that may have been written anew before the files were noted. No table has this one.
UNKNOWN = 0


async def with_files(connection: Connection, plan: TablePlan, place: Place, *, begun: Snapshot, now: Snapshot) -> Place:
    """A place in a table without a key, with the files of the partitions behind it. ``now``: the snapshot of the transaction that is open."""
    if place.files is not None or not plan.is_partitioned:
        return place
    found = await connection.fetch(query("load_files"), plan.relation, place.relation)
    if len(found) > MOST_FILES:
        return place
    files = {row["relation"]: UNKNOWN if may_be_new(row, begun=begun, now=now) else row["file"] for row in found}
    return msgspec.structs.replace(place, files=files)


def may_be_new(found: asyncpg.Record, *, begun: Snapshot, now: Snapshot) -> bool:
    """Whether a table that was there when the load began may have another file since, as load_file.sql and load_files.sql tell it."""
    return not begun.sees(maker(found["class_maker"], now)) and begun.sees(maker(found["type_maker"], now))
