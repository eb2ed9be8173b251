"""Sees whether the role of the session may read a table."""

from __future__ import annotations

import asyncpg

from forwarder.database.sessions import Connection
from forwarder.errors import LoadFailed


async def require_access(connection: Connection, found: asyncpg.Record) -> None:
    """Raises LoadFailed: it may not, or not all rows. ``found`` has what load_table.sql and load_relation.sql say of that."""
    if found["may_select"] and not found["hides_rows"]:
        return
    name = found["quoted"]
    role = await connection.fetchval("SELECT quote_ident(current_user)")
    if not found["may_select"]:
        raise LoadFailed(
            f"{role} may not read {name}; GRANT USAGE ON SCHEMA {found['quoted_schema']} TO {role}; GRANT SELECT ON {name} TO {role}"
        )
    raise LoadFailed(
        f"row-level security hides rows of {name} from {role}; ALTER ROLE {role} BYPASSRLS, or load as its owner"
    )
