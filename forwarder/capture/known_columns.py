"""Has the database remember the columns of captured tables and their types, for rows that are delivered when these are gone."""

from __future__ import annotations

from forwarder.database.queries import query
from forwarder.database.quoting import literal
from forwarder.database.sessions import Connection, database_errors


async def keep_columns(connection: Connection) -> None:
    """Bring ``forwarder.known_columns``, if it is there, up to date for all captured tables. It is written only where something has changed."""
    with database_errors("cannot look up the columns of captured tables"):
        if await connection.fetchval("SELECT to_regclass('forwarder.known_columns')") is not None:
            await connection.execute(query("columns"), None)


def statement() -> str:
    """The same as one statement of a script, with no answer."""
    text = "\n".join(line for line in query("columns").splitlines() if not line.lstrip().startswith("--")).replace(
        "$1", "NULL"
    )
    return f"DO $columns$\nBEGIN\n    EXECUTE {literal(text)};\nEND\n$columns$;"
