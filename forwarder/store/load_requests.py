"""What `forwarder load` does to the loads of sinks: asks for them, pauses, resumes and cancels them, and finds out how they stand.

``sinks`` are their names and ``table_ids`` the ids of captured tables; None: all of them. All functions raise ``Unavailable`` if the database
does not answer, and ``Refused`` if the schema is missing or older than this program.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Conflict, Refused
from forwarder.store import loads
from forwarder.store.loads import Load


async def request(
    connection: Connection, *, sinks: Sequence[str], table_ids: Sequence[int], part: str = "{}", restart: bool = False
) -> Sequence[Load]:
    """Ask for a load of each table for each sink: for all of them, or for none. Returns the new loads.

    Args:
        part: what of each table is to be loaded, as JSON that `load/part.py` writes.
        restart: a load of such a table that is under way is given up.

    Raises:
        Refused: a load of one of the tables is under way for one of the sinks.
        Conflict: it was until this moment; ask again.
    """
    with database_errors("cannot ask for the load"):
        async with connection.transaction():
            if restart:
                await connection.execute(query("cancel_loads"), sinks, table_ids)
            numbers = await _numbers(connection, "request_loads", sinks, table_ids, part)
            if len(numbers) < len(sinks) * len(table_ids):
                others = [load for load in await _find(connection, sinks, table_ids) if load.number not in numbers]
                if under_way := [load for load in others if not load.state.is_final]:
                    raise Refused(_under_way(under_way[0]))
                raise Conflict("a load that was under way has ended in this moment")
            return await loads.read(connection, numbers)


async def pause(
    connection: Connection, *, sinks: Sequence[str] | None = None, table_ids: Sequence[int] | None = None
) -> Sequence[Load]:
    """Pause the loads that wait or run. Returns those that were paused by this."""
    return await _change(connection, "pause_loads", sinks, table_ids)


async def resume(
    connection: Connection, *, sinks: Sequence[str] | None = None, table_ids: Sequence[int] | None = None
) -> Sequence[Load]:
    """Have the loads go on that are paused. Returns them."""
    return await _change(connection, "resume_loads", sinks, table_ids)


async def cancel(
    connection: Connection, *, sinks: Sequence[str] | None = None, table_ids: Sequence[int] | None = None
) -> Sequence[Load]:
    """Give up the loads that have not ended, and those that have failed. Returns them."""
    return await _change(connection, "cancel_loads", sinks, table_ids)


async def find(
    connection: Connection, *, sinks: Sequence[str] | None = None, table_ids: Sequence[int] | None = None
) -> Sequence[Load]:
    """The newest load of each table for each sink, in the order in which they were asked for."""
    with database_errors("cannot read the loads"):
        return await _find(connection, sinks, table_ids)


async def read(connection: Connection, numbers: Collection[int]) -> Sequence[Load]:
    """The loads with these numbers, in their order; without those that are gone."""
    with database_errors("cannot read the loads"):
        return await loads.read(connection, numbers)


async def _change(
    connection: Connection, name: str, sinks: Sequence[str] | None, table_ids: Sequence[int] | None
) -> Sequence[Load]:
    with database_errors("cannot change the loads"):
        return await loads.read(connection, await _numbers(connection, name, sinks, table_ids))


async def _find(connection: Connection, sinks: Sequence[str] | None, table_ids: Sequence[int] | None) -> Sequence[Load]:
    return await loads.read(connection, await _numbers(connection, "newest_loads", sinks, table_ids))


async def _numbers(connection: Connection, name: str, *arguments: object) -> list[int]:
    return [row["number"] for row in await connection.fetch(query(name), *arguments)]


def _under_way(load: Load) -> str:
    return (
        f"a load of {load.qualified_name} for sink {load.sink!r} is {load.state} since {load.requested_at:%Y-%m-%d %H:%M:%S}"
        f" ({load.rows} rows so far); `forwarder load {load.qualified_name} --status` shows it, --restart begins anew"
    )
