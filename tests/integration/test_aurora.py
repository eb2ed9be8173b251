"""A database that does not tell its position in the WAL, as Aurora refuses it unless logical replication is on: what is to be done is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from forwarder.capture import migrations
from forwarder.database.server_identity import server_of
from forwarder.database.sessions import session
from forwarder.errors import Unavailable
from tests.databases import Database, connected, from_bare

REMEDY = "must be set to 'logical' .*; on Aurora set rds.logical_replication = 1 in the cluster's parameter group, and reboot$"


@asynccontextmanager
async def refusing(database: Database) -> AsyncIterator[None]:
    """Has this database alone refuse, for the length of a block."""
    async with connected(database.superuser_url) as superuser:
        await superuser.execute(
            """
            SET allow_system_table_mods = on;
            ALTER FUNCTION pg_catalog.pg_current_wal_lsn() RENAME TO told_wal_lsn;
            CREATE FUNCTION pg_catalog.pg_current_wal_lsn() RETURNS pg_lsn LANGUAGE plpgsql AS $$
            BEGIN
                RAISE 'wal_level must be set to ''logical''' USING ERRCODE = '55000';
            END
            $$;
            """
        )
        yield
        await superuser.execute(
            "DROP FUNCTION pg_catalog.pg_current_wal_lsn();"
            "ALTER FUNCTION pg_catalog.told_wal_lsn() RENAME TO pg_current_wal_lsn"
        )


@from_bare
async def test_what_aurora_needs_is_said_and_migrate_goes_on_afterwards(fresh_database: Database) -> None:
    async with session(fresh_database.url, purpose="tests") as owner:
        async with refusing(fresh_database):
            with pytest.raises(Unavailable, match=REMEDY):
                await migrations.apply(owner)
            with pytest.raises(Unavailable, match=REMEDY):
                await server_of(owner, url=fresh_database.url)
        await migrations.apply(owner)
        assert not await migrations.pending(owner)
        assert (await server_of(owner, url=fresh_database.url)).timeline == 1
