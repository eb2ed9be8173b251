from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.databases import Database

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection


async def test_the_owner_is_as_plain_as_on_rds(connection: Connection) -> None:
    role = await connection.fetchrow(
        "SELECT rolsuper, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    )
    assert role is not None
    assert not any(role.values())


async def test_the_writer_may_change_rows_and_nothing_else(connection: Connection, database: Database) -> None:
    await connection.execute("CREATE TABLE public.item (id bigint GENERATED ALWAYS AS IDENTITY, name text)")
    writer = await asyncpg.connect(database.writer_url)
    try:
        await writer.execute("INSERT INTO public.item (name) VALUES ('pen')")
        await writer.execute("UPDATE public.item SET name = 'ink'")
        for refused in ("DROP TABLE public.item", "ALTER TABLE public.item ADD x text", "TABLE forwarder.outbox"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await writer.execute(refused)
    finally:
        await writer.close()


async def test_a_bare_database_has_no_schema_of_ours(bare_database: Database) -> None:
    connection = await asyncpg.connect(bare_database.url)
    try:
        assert await connection.fetchval("SELECT to_regnamespace('forwarder')") is None
    finally:
        await connection.close()
