"""Rows that nobody has touched for billions of transactions."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from forwarder.database.sessions import session
from forwarder.load.reader import ChunkReader
from forwarder.local import launch
from forwarder.local.postgres import EmbeddedPostgres
from tests.databases import connected, database_on
from tests.loading import Loading
from tests.migrating import captured, migrate_tables

# A segment of pg_xact has the states of so many transactions, two bits each.
TRANSACTIONS_A_SEGMENT = 1 << 20


async def jump(server: EmbeddedPostgres, xid: int, *, epoch: int = 0) -> None:
    """Let the next transaction be this one, by way of a vacuum of everything, as a busy server does in the course of weeks.

    ``epoch``: how often the ids have gone round by then.
    """
    async with connected(server.url()) as superuser:
        await superuser.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
        names = [row["datname"] for row in await superuser.fetch("SELECT datname FROM pg_database")]
    for name in names:
        async with connected(server.url(name)) as superuser:
            await superuser.execute("VACUUM FREEZE")
    async with connected(server.url()) as superuser:
        await superuser.execute("CHECKPOINT")
    await server.stop()
    data = server.directory / "data"
    _write_zeros(data / "pg_xact" / f"{xid // TRANSACTIONS_A_SEGMENT:04X}", TRANSACTIONS_A_SEGMENT // 4)
    process = await server._run("pg_resetwal", f"--epoch={epoch}", f"--next-transaction-id={xid}", str(data))
    assert await process.wait() == 0, server.log.read_text()
    await server.start()


def _write_zeros(path: Path, size: int) -> None:
    path.write_bytes(bytes(size))
    if os.geteuid() == 0:
        shutil.chown(path, launch.UNPRIVILEGED_USER)


async def test_a_row_that_was_frozen_billions_of_transactions_ago_is_changed_and_captured(
    own_postgres: EmbeddedPostgres,
) -> None:
    """It keeps the number of its maker, of 32 bits, which by then stands for a transaction that is yet to come."""
    database = database_on(own_postgres, "template_fresh")
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.item (id integer PRIMARY KEY, n integer)")
        await owner.execute("INSERT INTO public.item VALUES (1, 0), (2, 0), (3, 0)")
        assert not (await migrate_tables(owner, "public.item")).problems
    # Each of them is as far ahead as PostgreSQL allows.
    for xid in (1_500_000_000, 2_600_000_000):
        await jump(own_postgres, xid)
    async with connected(database.writer_url) as writer:
        await writer.execute("UPDATE public.item SET n = 1 WHERE id = 1")
        await writer.execute("UPDATE public.item SET id = 20 WHERE id = 2")
        await writer.execute("DELETE FROM public.item WHERE id = 3")
    async with connected(database.url) as owner:
        events = [
            (event.op, (event.after if event.op == "I" else event.before)["id"]) for event in await captured(owner)
        ]
    assert events == [("U", 1), ("D", 2), ("I", 20), ("D", 3)]


async def test_a_load_reads_rows_that_were_frozen_before_the_ids_went_round(own_postgres: EmbeddedPostgres) -> None:
    """Of a table without a key, rows are loaded that are older than the load, which is told by the ids of those who made them."""
    database = database_on(own_postgres, "template_fresh")
    async with connected(database.url) as owner:
        await owner.execute("CREATE TABLE public.item (n integer)")
        assert not (await migrate_tables(owner, "public.item")).problems
        # Away from the transactions that have made the table itself.
        for _ in range(20):
            await owner.execute("SELECT pg_current_xact_id()")
        await owner.execute("INSERT INTO public.item VALUES (1)")
        [(xmin,)] = await owner.fetch("SELECT xmin FROM public.item")
    for epoch, xid in ((0, 1_500_000_000), (0, 2_600_000_000), (0, 4_000_000_000), (1, xmin - 1)):
        await jump(own_postgres, xid, epoch=epoch)
        async with connected(database.url) as owner, session(database.url, purpose="tests") as connection:
            loading = Loading(ChunkReader(connection), owner)
            begun = await loading.now()
            assert await loading.images(begun=begun) == ['{"n":1}']
            await owner.execute("INSERT INTO public.item VALUES (2)")
            await owner.execute("INSERT INTO public.item VALUES (3); SELECT pg_current_xact_id()")
            # In the last turn, one of these transactions has the same 32 bits as the one that made the row.
            assert await loading.images(begun=begun) == ['{"n":1}']
            await owner.execute("DELETE FROM public.item WHERE n > 1")
    assert begun.xmax <= (1 << 32) + xmin
