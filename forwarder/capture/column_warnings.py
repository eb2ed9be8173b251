"""Warns of columns that were added or renamed since the rules about the columns of their table were made."""

from __future__ import annotations

from collections.abc import Sequence

from forwarder.database.queries import query
from forwarder.database.sessions import Connection


async def column_warnings(connection: Connection) -> Sequence[str]:
    """One line for each table. What is in such columns is treated as the rules say of their numbers, or of new ones.

    Raises:
        asyncpg.PostgresError: the database does not tell.
    """
    return [
        f"columns of {row['schema_name']}.{row['table_name']} are not as its rules know them: {row['columns']}; see that columns in [[table]]"
        " says what you want of them, and run `forwarder migrate`"
        for row in await connection.fetch(query("changed_columns"))
    ]
