"""Seeded faults of the database: `forwarder check` names each, with its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from forwarder.capture import migrations
from forwarder.database.sessions import DOORBELL_LOCK, LEADER_LOCK_CLASS, LOCK_CLASS, session
from forwarder.doctor import database as examined
from forwarder.doctor.area import Area, Look, Patient
from forwarder.doctor.finding import Finding, Verdict
from forwarder.store.positions import Positions
from tests.checking import bad, checked, found, told
from tests.clusters import Clusters
from tests.databases import OWNER, WRITER, Database, connected, database_on
from tests.migrating import migrate, migrate_tables
from tests.pooler import needs_pgbouncer, pgbouncer
from tests.replicas import caught_up, copied, follow

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

SELECTED = [{"match": "public.*"}]


@pytest.fixture
async def orders(connection: Connection) -> None:
    await connection.execute("CREATE TABLE orders (id integer PRIMARY KEY, status text)")
    await migrate_tables(connection, "orders")


async def register_sink(database: Database) -> None:
    """As if a listener had begun to serve it now."""
    async with session(database.url, purpose="tests") as owner:
        await Positions(owner, sink="default").load(start="now")


async def test_a_database_that_nobody_answers_for_is_one_finding_and_the_sinks_are_looked_at(tmp_path: Path) -> None:
    report = await checked("postgresql://nobody@127.0.0.1:1/app", sink=[{"url": f"file:{tmp_path}/records"}])
    refused = told(report, "connection", "server")
    assert "127.0.0.1:1/app" in refused.text
    assert "check its host and port" in (refused.remedy or "")
    assert bad(report) == ["failure connection, server"]
    assert [one.verdict for one in found(report, "sink default")] == [Verdict.OK]


async def test_a_wrong_password_and_a_missing_database_are_named(clusters: Clusters, database: Database) -> None:
    async with clusters.server() as server:
        async with connected(server.url()) as root:
            await root.execute(f"ALTER ROLE {OWNER} PASSWORD 'right'")
            rules = anyio.Path(await root.fetchval("SHOW hba_file"))
            await rules.write_text("local all all trust\nhost all postgres all trust\nhost all all all scram-sha-256\n")
            await root.execute("SELECT pg_reload_conf()")
        url = server.url("template_migrated", user=OWNER).replace(f"{OWNER}@", f"{OWNER}:wrong@")
        wrong = told(await checked(url), "connection", "server")
    assert "password authentication failed" in wrong.text
    assert wrong.remedy == "check the user and the password in FORWARDER_DATABASE_URL"
    assert "wrong@" not in f"{wrong}"
    missing = told(await checked(database.url.replace(database.name, "nothing")), "connection", "server")
    assert missing.remedy == "check the database name in FORWARDER_DATABASE_URL"


@needs_pgbouncer
async def test_a_pooler_is_named_and_one_in_transaction_mode_refused(database: Database) -> None:
    async with pgbouncer(database, mode="transaction", pool_size=1) as pooled:
        refused = told(await checked(pooled.url, is_fast=True), "connection", "server")
    assert "a pooler in transaction mode answers" in refused.text
    assert (refused.remedy or "").startswith("connect to the host and port of PostgreSQL itself")
    async with pgbouncer(database, mode="session", pool_size=2) as pooled:
        noted = told(await checked(pooled.url, is_fast=True), "connection", "pooler", verdicts=[Verdict.NOTE])
    assert "session mode" in noted.text


async def test_a_schema_that_is_missing_is_one_finding(bare_database: Database) -> None:
    report = await checked(bare_database.url)
    assert told(report, "schema", "schema").remedy == "forwarder migrate"
    assert bad(report) == ["failure schema, schema"]


async def test_a_schema_that_is_older_newer_or_altered_is_named(database: Database) -> None:
    newest = migrations.shipped()[-1].version
    async with connected(database.url) as owner:
        await owner.execute("ALTER FUNCTION forwarder.is_utc() STABLE STRICT")
        altered = told(await checked(database.url), "schema", "functions")
        assert "forwarder.is_utc()" in altered.text
        assert altered.remedy == "forwarder migrate"

        await owner.execute("DELETE FROM forwarder.migration WHERE version = $1", newest)
        older = told(await checked(database.url), "schema", "migrations")
        assert f"{newest:04}" in older.text
        assert older.remedy == "forwarder migrate"

        await owner.execute("INSERT INTO forwarder.migration (version, name, checksum) VALUES (9999, 'later', '')")
        newer = told(await checked(database.url), "schema", "migrations")
        assert "by a newer forwarder" in newer.text


async def test_triggers_that_are_off_missing_or_other_than_configured_are_named_by_table(
    connection: Connection, database: Database, orders: None
) -> None:
    await connection.execute("CREATE TABLE lost (id integer PRIMARY KEY); CREATE TABLE shaped (id integer PRIMARY KEY)")
    await migrate_tables(connection, "lost", "shaped")
    await connection.execute('ALTER TABLE orders DISABLE TRIGGER "00_forwarder_capture"')
    await connection.execute(
        "DROP TABLE lost; CREATE TABLE lost (id integer PRIMARY KEY); CREATE TABLE fresh (id integer PRIMARY KEY)"
    )

    report = await checked(database.url, table=[*SELECTED, {"match": "shaped", "before": "none"}])
    triggers = {
        one.text.partition(" ")[0].rstrip(":"): one for one in found(report, "tables") if one.subject == "triggers"
    }

    assert triggers["public.orders"].text == "public.orders: a trigger was disabled or altered"
    assert "compare with what the stream has" in (triggers["public.orders"].remedy or "")
    assert triggers["public.fresh"].text == "public.fresh is selected and not captured"
    assert triggers["public.shaped"].text == "public.shaped: before image: full -> none"
    assert {one.verdict for one in triggers.values()} >= {Verdict.FAILURE}
    assert "public.lost" in triggers
    assert all("forwarder migrate" in (one.remedy or "") for one in triggers.values())


async def test_a_rule_that_migrate_refuses_is_a_failure_and_the_triggers_are_looked_at_all_the_same(
    connection: Connection, database: Database, orders: None
) -> None:
    await connection.execute('ALTER TABLE orders DISABLE TRIGGER "00_forwarder_capture"')
    report = await checked(database.url, is_fast=True, table=[{"match": "public.ordres"}])
    assert told(report, "tables", "rules").remedy == "did you mean 'public.orders'?"
    assert "public.orders" in told(report, "tables", "triggers").text


async def test_keys_types_and_columns_on_which_order_depends_are_named(
    connection: Connection, database: Database
) -> None:
    await connection.execute(
        "CREATE TABLE keyless (a integer);"
        "CREATE TABLE waiting (id integer PRIMARY KEY DEFERRABLE);"
        "CREATE TABLE spans (span interval PRIMARY KEY);"
        "CREATE TABLE people (id integer PRIMARY KEY, ssn text)"
    )
    await migrate(connection, "keyless", "waiting", "spans")
    await migrate(connection, "people", options={"columns": {"exclude": ["ssn"]}})
    await connection.execute("ALTER TABLE people RENAME ssn TO social")
    report = await checked(database.url)
    keyless = told(report, "tables", "keys", verdicts=[Verdict.NOTE])
    assert "public.keyless" in keyless.text
    ambiguous, deferrable = (one for one in found(report, "tables") if one.subject == "keys and types")
    assert "public.spans (span interval)" in ambiguous.text
    assert "partition_key=table" in (ambiguous.remedy or "")
    assert "public.waiting" in deferrable.text
    assert (deferrable.remedy or "").startswith("make the key NOT DEFERRABLE")
    assert "social (was ssn)" in told(report, "tables", "columns").text


async def test_partitions_that_were_detached_and_those_without_their_trigger_for_truncate_are_named(
    connection: Connection, database: Database
) -> None:
    await connection.execute(
        "CREATE TABLE days (day integer PRIMARY KEY) PARTITION BY LIST (day);"
        "CREATE TABLE day1 PARTITION OF days FOR VALUES IN (1)"
    )
    await migrate_tables(connection, "days")
    await connection.execute(
        "CREATE TABLE day2 PARTITION OF days FOR VALUES IN (2); ALTER TABLE days DETACH PARTITION day1"
    )
    report = await checked(database.url)
    detached = told(report, "tables", "partitions", verdicts=[Verdict.NOTE])
    assert "public.day1" in detached.text
    late = told(report, "tables", "triggers")
    assert late.verdict is Verdict.WARNING
    assert late.text == "a TRUNCATE of partitions of public.days alone would be missed"


async def test_roles_by_whose_settings_triggers_do_not_fire_are_named(database: Database, orders: None) -> None:
    async with connected(database.superuser_url) as root:
        await root.execute(f"ALTER ROLE {WRITER} IN DATABASE {database.name} SET session_replication_role = replica")
    muted = told(await checked(database.url, is_fast=True), "tables", "session_replication_role")
    assert WRITER in muted.text
    assert f"ALTER ROLE {WRITER} IN DATABASE {database.name} RESET session_replication_role" in (muted.remedy or "")


async def test_a_role_without_rights_and_a_password_that_ends_are_named(database: Database, orders: None) -> None:
    async with connected(database.superuser_url) as root:
        await root.execute("CREATE ROLE check_listener LOGIN VALID UNTIL 'tomorrow'")
        try:
            url = database.url.replace(OWNER, "check_listener")
            barred = await checked(url)
            assert told(barred, "connection", "password").remedy == "ALTER ROLE check_listener VALID UNTIL …"
            assert (
                told(barred, "schema", "schema").remedy
                == f"forwarder migrate --runtime-role check_listener, as {OWNER}"
            )
            assert (
                told(barred, "roles", "listen").remedy == f"forwarder migrate --runtime-role check_listener, as {OWNER}"
            )

            async with session(database.url, purpose="tests") as owner:
                await migrate(owner, runtime_role="check_listener")
            granted = await checked(url)
            assert bad(granted) == ["warning connection, password"]
            assert (
                "may not read public.orders" in told(granted, "roles", "load and verify", verdicts=[Verdict.NOTE]).text
            )

            await root.execute(f"REVOKE SELECT ON forwarder.dropped FROM check_listener; SET ROLE {OWNER}")
            lacking = told(await checked(url), "roles", "listen")
            assert lacking.text == "role check_listener lacks 1 of the rights that this release needs"
            assert lacking.remedy == f"forwarder migrate, as {OWNER}"
        finally:
            await root.execute("RESET ROLE; DROP OWNED BY check_listener; DROP ROLE check_listener")


async def test_rights_that_others_should_not_have_and_settings_that_were_not_applied_are_named(
    connection: Connection, database: Database
) -> None:
    await connection.execute("GRANT SELECT ON forwarder.outbox TO PUBLIC")
    report = await checked(
        database.url,
        table=SELECTED,
        outbox={"leaf_events": 2048},
        capture={"max_image_bytes": 1 << 20, "auto_attach": True},
    )
    assert "(close)" in told(report, "roles", "rights of others").text
    assert "2048 by the settings" in told(report, "outbox", "leaves").text
    assert "1048576 in the settings" in told(report, "schema", "max_image_bytes").text
    assert told(report, "schema", "new tables").remedy == "forwarder migrate"
    assert told(report, "tables", "tables").text == "no table is captured"


async def test_what_a_sink_lacks_and_what_was_missed_is_named(
    connection: Connection, database: Database, orders: None
) -> None:
    await register_sink(database)
    await connection.execute("INSERT INTO orders VALUES (1, 'new')")
    table = await connection.fetchval("SELECT id FROM forwarder.captured_table WHERE table_name = 'orders'")
    await connection.execute(
        "INSERT INTO forwarder.outbox (table_id, relation, op, fault) VALUES ($1, 'orders'::regclass, 'G', 'capture resumed')",
        table,
    )
    await connection.execute(
        "INSERT INTO forwarder.dead_letter (sink, seq, txid, at, table_id, relation, op, tx_index, tx_count, partition_key,"
        " record_bytes, code, reason)"
        " VALUES ('default', 1, pg_current_xact_id(), now(), $1, 'orders'::regclass, 'I', 1, 1, 'k', 10, 'oversize', 'too large')",
        table,
    )
    await connection.execute(
        "INSERT INTO forwarder.load (sink, table_id, state, error, finished_at) VALUES ('default', $1, 'failed', 'no key', now())",
        table,
    )
    await connection.execute("SELECT forwarder.set_paused(true)")
    report = await checked(database.url, outbox={"warn_age_seconds": 0.001}, sink=[{"name": "other", "url": "stdout:"}])
    backlog = [one.text for one in found(report, "outbox") if one.subject == "backlog"]
    assert any(text.startswith("capture is paused") for text in backlog)
    assert any(text.startswith("sink 'default' has not delivered a change for") for text in backlog)
    gaps = [one.remedy for one in found(report, "outbox") if one.subject == "gaps"]
    assert "compare what consumers hold: forwarder verify public.orders" in gaps
    assert "dead-letters list --sink default" in (told(report, "delivery", "dead letters").remedy or "")
    assert "no key" in told(report, "delivery", "loads").text
    assert told(report, "delivery", "sinks").remedy == "forwarder sinks remove default, if it is not needed any more"
    unserved = await checked(database.url, is_fast=True, sink=[{"url": "stdout:"}])
    assert told(unserved, "delivery", "leader").remedy == "start `forwarder listen`"


async def test_strangers_who_have_locks_of_ours_are_named_with_the_statement_that_ends_them(
    connection: Connection, database: Database
) -> None:
    await register_sink(database)
    async with connected(database.writer_url) as stranger:
        await stranger.execute(
            f"SELECT pg_advisory_lock({LEADER_LOCK_CLASS}, hashtext('default')), pg_advisory_lock({LOCK_CLASS}, {DOORBELL_LOCK})"
        )
        report = await checked(database.url, is_fast=True)
        ending = f"SELECT pg_terminate_backend({stranger.get_server_pid()})"
    leader = told(report, "delivery", "leader")
    assert leader.verdict is Verdict.FAILURE
    assert ending in (leader.remedy or "")
    assert ending in (told(report, "outbox", "doorbell").remedy or "")


async def test_what_holds_back_vacuum_and_bars_the_doorbell_is_named(
    clusters: Clusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forwarder.doctor.transactions.WARNING_SECONDS", 0.0)
    monkeypatch.setattr("forwarder.doctor.transactions.NOTE_SECONDS", 0.0)
    monkeypatch.setattr("forwarder.doctor.transactions.WARNING_KEPT_BYTES", -1)
    async with clusters.server(max_prepared_transactions=5, autovacuum="off") as server:
        database = database_on(server, "template_migrated")
        async with connected(database.superuser_url) as root:
            await root.execute("SELECT pg_create_physical_replication_slot('forgotten', true)")
        async with connected(database.url) as owner, connected(database.url) as idle:
            await owner.execute("BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'half'")
            await idle.execute("BEGIN; SELECT pg_current_xact_id()")
            report = await checked(database.url, database={"wake": "doorbell"})
            pid = idle.get_server_pid()
    remedies = [one.remedy or "" for one in found(report, "transactions") if one.subject == "transactions"]
    assert any(f"pg_terminate_backend({pid})" in remedy for remedy in remedies)
    assert any("ROLLBACK PREPARED 'half'" in remedy for remedy in remedies)
    assert "pg_drop_replication_slot('forgotten')" in (told(report, "transactions", "replication slots").remedy or "")
    assert "autovacuum = on" in (told(report, "transactions", "autovacuum").remedy or "")
    assert 'set wake to "auto"' in (told(report, "connection", "wake").remedy or "")


async def test_a_standby_is_refused_and_nothing_is_said_of_what_it_cannot_tell(clusters: Clusters) -> None:
    async with clusters.server(max_connections=50) as server, copied(server) as copy:
        await follow(copy, server=server)
        await caught_up(copy, server=server)
        report = await checked(copy.url("template_migrated", user=OWNER))
    assert told(report, "connection", "writable").remedy == "connect to the primary, not to a replica"
    assert bad(report) == ["failure connection, writable"]


async def test_a_lock_that_is_in_the_way_is_given_up_soon_and_all_else_is_looked_at(
    connection: Connection, database: Database, orders: None
) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE forwarder.sink IN ACCESS EXCLUSIVE MODE")
        with anyio.fail_after(20):
            report = await checked(database.url, is_fast=True)
    assert told(report, "delivery", "leader").verdict is Verdict.WARNING
    assert "lock timeout" in told(report, "delivery", "leader").text
    assert told(report, "tables", "triggers", verdicts=[Verdict.OK])
    assert told(report, "delivery", "dead letters", verdicts=[Verdict.OK])


async def test_an_area_that_hangs_says_so_and_the_next_has_a_session_of_its_own(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []

    async def hang(patient: Patient) -> Iterable[Finding]:
        pids.append(patient.connection.get_server_pid())
        await patient.connection.execute("SET statement_timeout = 0; SELECT pg_sleep(60)")
        return []

    async def answer(patient: Patient) -> Iterable[Finding]:
        pids.append(patient.connection.get_server_pid())
        return []

    areas = [
        Area(name=name, outside=[Look(subject=name, find=find)]) for name, find in (("slow", hang), ("next", answer))
    ]
    monkeypatch.setattr(examined, "AREAS", areas)
    monkeypatch.setattr(examined, "LOOK_SECONDS", 0.2)
    report = await checked(database.url)
    assert told(report, "slow", "slow").text.startswith("no answer within 0.2 s")
    assert len(set(pids)) == 2


async def test_a_check_writes_no_row(connection: Connection, database: Database, orders: None) -> None:
    async def rows() -> dict[str, list[asyncpg.Record]]:
        tables = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'forwarder'::regnamespace AND relkind = 'r'"
        )
        return {name: await connection.fetch(f"SELECT ctid, xmin FROM forwarder.{name}") for (name,) in tables}

    await register_sink(database)
    await connection.execute('ALTER TABLE orders DISABLE TRIGGER "00_forwarder_capture"')
    before = await rows()
    assert told(await checked(database.url, table=SELECTED), "tables", "triggers")
    assert await rows() == before
