"""Blue/Green as RDS does it for a major upgrade: green begins as a copy of blue's disk, and a subscription brings what is written since.

Green has transaction ids of its own, so what blue's positions say of transactions means nothing there. And a subscription brings no sequence: RDS
sets them at the switch.
"""

from __future__ import annotations

import pytest

from forwarder.local.postgres import HOST, SUPERUSER, EmbeddedPostgres
from tests.clusters import Clusters
from tests.databases import MIGRATED_TEMPLATE, Database, connected, database_on
from tests.ledger import Ledger, all_delivered, create_accounts, write
from tests.listening import Served, leads, listening
from tests.replicas import caught_up, copied, cut_off, follow, promote
from tests.waiting import eventually

pytestmark = pytest.mark.slow

# What green has to have of blue: all changes, and the position of the last one.
STAND = (
    "SELECT max(seq), (SELECT min(last_seq) FROM forwarder.sink), (SELECT count(*) FROM account) FROM forwarder.outbox"
)


async def part(green_server: EmbeddedPostgres, *, server: EmbeddedPostgres, database: Database) -> Database:
    """Let a copy go on by itself, and have it fed by a subscription from here on."""
    await follow(green_server, server=server)
    await caught_up(green_server, server=server)
    await cut_off(green_server)
    # Nothing is written in between.
    async with connected(database.superuser_url) as blue:
        await blue.execute("CREATE PUBLICATION green FOR ALL TABLES")
        await blue.execute("SELECT pg_create_logical_replication_slot('green', 'pgoutput')")
    await promote(green_server)
    source = f"host={HOST} port={server.port} user={SUPERUSER} dbname={database.name}"
    green = database_on(green_server, database.name)
    async with connected(green.superuser_url) as superuser:
        await superuser.execute(
            f"CREATE SUBSCRIPTION green CONNECTION '{source}' PUBLICATION green WITH (connect = false)"
        )
        await superuser.execute("ALTER SUBSCRIPTION green SET (slot_name = 'green')")
        await superuser.execute("ALTER SUBSCRIPTION green ENABLE")
        await superuser.execute("ALTER SUBSCRIPTION green REFRESH PUBLICATION WITH (copy_data = false)")
    return green


async def burn_transaction_ids(database: Database) -> None:
    """So that those of green are far below what blue's position has seen: they would count as delivered."""
    async with connected(database.url) as owner:
        for _ in range(3000):
            await owner.execute("SELECT pg_current_xact_id()")


async def delivered_and_saved(ledger: Ledger, served: Served, database: Database) -> None:
    await all_delivered(ledger, served.data)

    async def saved() -> bool:
        async with connected(database.url) as owner:
            last_seq, saved_seq, _ = await owner.fetchrow(STAND) or (0, 1, 0)
            return bool(last_seq == saved_seq)

    await eventually(saved)


async def switch(green: Database, *, blue: Database, sets_sequences: bool) -> None:
    async def has_followed() -> bool:
        async with connected(blue.url) as source, connected(green.url) as target:
            return await source.fetchrow(STAND) == await target.fetchrow(STAND)

    await eventually(has_followed, within_seconds=20)
    async with connected(green.superuser_url) as superuser, connected(blue.superuser_url) as source:
        await superuser.execute("ALTER SUBSCRIPTION green DISABLE")
        await superuser.execute("ALTER SUBSCRIPTION green SET (slot_name = NONE)")
        await superuser.execute("DROP SUBSCRIPTION green")
        if sets_sequences:
            last = await source.fetchval("SELECT last_value FROM forwarder.outbox_seq")
            await superuser.execute(f"SELECT setval('forwarder.outbox_seq', {last})")


@pytest.mark.parametrize("sets_sequences", [False, pytest.param(True, marks=pytest.mark.long)])
async def test_what_is_written_on_green_after_the_switch_is_delivered(
    clusters: Clusters, served: Served, eager: None, caplog: pytest.LogCaptureFixture, *, sets_sequences: bool
) -> None:
    """If the sequences are set, before a listener finds green, too. If not, a listener has to be there before the writers."""
    ledger = Ledger()
    async with (
        clusters.server(max_connections=50, wal_level="logical") as blue_server,
        copied(blue_server) as green_server,
    ):
        blue = database_on(blue_server, MIGRATED_TEMPLATE)
        await create_accounts(blue.url)
        green = await part(green_server, server=blue_server, database=blue)
        async with listening(blue.url, served.sink, checkpoint_interval_seconds=0.05) as service:
            await leads(service)
            await write(ledger, blue.writer_url, transactions=40)
            await burn_transaction_ids(blue)
            await write(ledger, blue.writer_url, transactions=40, first_writer=10)
            await delivered_and_saved(ledger, served, blue)
        await switch(green, blue=blue, sets_sequences=sets_sequences)

        caplog.clear()
        if sets_sequences:
            await write(ledger, green.writer_url, transactions=40, first_writer=20)
        async with listening(green.url, served.sink) as service:
            await leads(service)
            await write(ledger, green.writer_url, transactions=40, first_writer=30)
            await all_delivered(ledger, served.data)
        assert "the database was promoted, restored or copied" in caplog.text
