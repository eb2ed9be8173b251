"""The dead letters of changes whose stream could not be written to."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors

# How many are asked for at once.
PORTION = 1000


class Asked(NamedTuple):
    """Letters that are to be sent again: how many, and the seq of the last one."""

    letters: int
    last_seq: int


async def tables(connection: Connection, *, sink: str, code: str) -> Collection[int]:
    """The ids of the tables that have such letters.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot read the dead letters"):
        return {table_id for (table_id,) in await connection.fetch(query("stranded_tables"), sink, code)}


async def ask(connection: Connection, *, sink: str, code: str, table_ids: Collection[int], after_seq: int) -> Asked:
    """Ask for the next such letters of these tables to be sent again, ``PORTION`` at most.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot change the dead letters"):
        row = await connection.fetchrow(query("ask_stranded"), sink, code, list(table_ids), after_seq, PORTION)
    assert row is not None, "an aggregate has one row"
    return Asked(letters=row["letters"], last_seq=row["last_seq"])


async def unask(connection: Connection, *, sink: str, code: str) -> None:
    """Take back what was asked for, of all tables.

    Raises:
        Unavailable: the database does not answer.
    """
    with database_errors("cannot change the dead letters"):
        await connection.execute(query("unask_stranded"), sink, code)
