"""Physical copies of a cluster that go on in a history of their own: a promoted replica, a restore to a point in time."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from forwarder.local import launch
from forwarder.local.postgres import HOST, SUPERUSER, EmbeddedPostgres
from tests.clusters import copy_of_files, data_of
from tests.databases import connected
from tests.waiting import eventually

# A standby needs at least the primary's `max_connections`.
_SETTINGS: Mapping[str, str | int] = {"max_connections": 50, "fsync": "off"}
_SECONDS = 60.0


@asynccontextmanager
async def copied(server: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    """A copy of a cluster's files, not started yet, for the length of a block. The server is stopped and started for it."""
    await server.stop()
    async with copy_of_files(server, _SETTINGS) as copy:
        await server.start()
        yield copy


async def follow(copy: EmbeddedPostgres, *, server: EmbeddedPostgres) -> None:
    """Start a copy as a hot standby that streams what the server writes."""
    source = f"host={HOST} port={server.port} user={SUPERUSER}"
    await _recover(copy, "standby", primary_conninfo=source)


async def caught_up(standby: EmbeddedPostgres, *, server: EmbeddedPostgres) -> None:
    """Wait until the standby has replayed all that the server has written by now."""
    async with connected(server.url()) as superuser:
        written = await superuser.fetchval("SELECT pg_current_wal_insert_lsn()::text")
    await _holds(standby, f"pg_last_wal_replay_lsn() >= '{written}'")


async def cut_off(standby: EmbeddedPostgres) -> None:
    """Let the standby receive nothing any more."""
    async with connected(standby.url()) as superuser:
        await superuser.execute("ALTER SYSTEM RESET primary_conninfo")
        await superuser.execute("SELECT pg_reload_conf()")
    await _holds(standby, "NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")


async def promote(standby: EmbeddedPostgres) -> None:
    """Let a standby go on by itself, from what it has."""
    async with connected(standby.url()) as superuser:
        assert await superuser.fetchval("SELECT pg_promote()")


async def come_back_as_standby(server: EmbeddedPostgres) -> None:
    """Start a server that was stopped as a standby: it can be read, and not be written to."""
    await _recover(server, "standby")


async def restore(copy: EmbeddedPostgres, *, server: EmbeddedPostgres, point: str) -> None:
    """Start a copy, let it replay what the server has written since, up to this restore point, and go on by itself."""
    await _recover(
        copy,
        "recovery",
        restore_command=f"cp {data_of(server)}/pg_wal/%f %p",
        recovery_target_name=point,
        recovery_target_action="promote",
    )
    await _holds(copy, "NOT pg_is_in_recovery()")


async def _recover(copy: EmbeddedPostgres, kind: str, **settings: str) -> None:
    signal = data_of(copy) / f"{kind}.signal"
    signal.touch()
    if os.geteuid() == 0:
        shutil.chown(signal, launch.UNPRIVILEGED_USER)
    with (data_of(copy) / "postgresql.auto.conf").open("a") as configuration:
        configuration.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    await copy.start()


async def _holds(server: EmbeddedPostgres, condition: str) -> None:
    async def holds() -> bool:
        async with connected(server.url()) as superuser:
            return bool(await superuser.fetchval(f"SELECT {condition}"))

    await eventually(holds, within_seconds=_SECONDS)
