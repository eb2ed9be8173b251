"""A failover as RDS makes it: the primary's host dies, its address leads to the former primary for a while, then to the replica in its place.

Sessions of before are not closed: nobody is there to close them. Replication is synchronous there, so the replica has all that was committed.
"""

from __future__ import annotations

import pytest

from forwarder.database.sessions import describe, session
from forwarder.health import Phase
from forwarder.local.postgres import EmbeddedPostgres
from tests.databases import MIGRATED_TEMPLATE, Database, database_on
from tests.ledger import Ledger, all_delivered, create_accounts, write
from tests.listening import STREAM, Served, complains, leads, listening
from tests.proxy import proxy
from tests.replicas import caught_up, come_back_as_standby, copied, follow, promote
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
async def original(own_postgres: EmbeddedPostgres) -> Database:
    """A database on a server that can be copied, and that nobody needs afterwards: where it is at last, it cannot be dropped."""
    database = database_on(own_postgres, MIGRATED_TEMPLATE)
    await create_accounts(database.url)
    return database


async def test_a_primary_whose_host_dies_while_a_backlog_is_drained_is_left_for_its_successor(
    own_postgres: EmbeddedPostgres, original: Database, served: Served, eager: None
) -> None:
    ledger = Ledger()
    async with copied(own_postgres) as replica, proxy(original.url) as way:
        await follow(replica, server=own_postgres)
        await write(ledger, original.writer_url, transactions=200)
        await caught_up(replica, server=own_postgres)
        async with listening(way.url, served.sink, page_rows=20, max_events=40) as service:
            state = service.states["default"]
            # Amid the backlog: what is read and what is saved are on their way.
            await served.kinesis.wait_for_records(100, stream=STREAM)
            way.strand()
            assert served.kinesis.stream(STREAM).record_count < ledger.changes

            async def has_given_up() -> bool:
                return state.phase is not Phase.LEADING and not state.ready

            await eventually(has_given_up, within_seconds=20)

            await own_postgres.stop(mode="immediate")
            await promote(replica)
            promoted = database_on(replica, original.name)
            await write(ledger, promoted.writer_url, transactions=20, first_writer=10)
            # The name still leads to the former primary, which follows now, and takes no write.
            await come_back_as_standby(own_postgres)
            await complains(service, f"PostgreSQL at {describe(way.url)} is a standby")

            way.lead_to(promoted.url)
            await leads(service)
            await write(ledger, promoted.writer_url, transactions=20, first_writer=20)
            await all_delivered(ledger, served.data)

        # As in the URL of a cluster that names each of its instances.
        both = original.url.replace(f":{own_postgres.port}/", f":{own_postgres.port},127.0.0.1:{replica.port}/")
        for wanted in ("primary", "read-write"):
            async with session(f"{both}?target_session_attrs={wanted}", purpose="tests") as ours:
                assert await ours.fetchval("SELECT inet_server_port()") == replica.port
