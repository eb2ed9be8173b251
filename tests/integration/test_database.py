from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import asyncpg
import pytest
from anyio.abc import SocketAttribute

from forwarder.database import sessions as database_module
from forwarder.database.queries import query
from forwarder.database.sessions import close, connect, database_errors, describe, session
from forwarder.errors import Conflict, ForwarderError, Misconfigured, Refused, Unavailable
from forwarder.local.postgres import EmbeddedPostgres
from tests.databases import Database, connected
from tests.proxy import proxy
from tests.settings import HOSTILE, set_for_database
from tests.support.ports import free_port
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

SECRET = "hunter2"


async def failure_of(url: str, *, timeout_seconds: float = 5.0) -> ForwarderError:
    with pytest.raises(ForwarderError) as error:
        await close(await connect(url, purpose="test", timeout_seconds=timeout_seconds))
    assert "\n" not in str(error.value)
    return error.value


async def test_a_session_says_what_it_is_for(database: Database) -> None:
    async with session(database.url, purpose="reader") as connection:
        assert await connection.fetchval("SHOW application_name") == "forwarder reader"


async def test_a_session_does_not_depend_on_the_settings_of_its_database(database: Database) -> None:
    async with session(database.url, purpose="reader") as before:
        expected = await settings_of(before)
    await set_for_database(database, HOSTILE)

    async with session(database.url, purpose="reader") as ours:
        assert await settings_of(ours) == expected
    async with connected(database.url) as theirs:
        found = await settings_of(theirs)
    assert {name for name, value in found.items() if value == expected[name] is not None} <= ALIKE


async def test_a_session_does_not_depend_on_the_settings_of_its_role_and_its_url(
    database: Database, connection: Connection
) -> None:
    await connection.execute(
        f"ALTER ROLE CURRENT_USER IN DATABASE {database.name} SET idle_session_timeout = '1s';"
        f"ALTER ROLE CURRENT_USER IN DATABASE {database.name} SET default_transaction_isolation = 'serializable'"
    )
    url = f"{database.url}?options=-c%20default_transaction_read_only%3Don%20-c%20lock_timeout%3D1ms"

    async with session(url, purpose="reader") as ours:
        assert await ours.fetchval("SHOW idle_session_timeout") == "0"
        assert await ours.fetchval("SHOW transaction_isolation") == "read committed"
        assert await ours.fetchval("SHOW transaction_read_only") == "off"
        assert await ours.fetchval("SHOW lock_timeout") == "10s"


def test_every_setting_of_a_session_is_put_to_the_test() -> None:
    pinned = re.findall(r"^(?:SET |SELECT set_config\(')(\w+)", query("session"), re.MULTILINE)

    assert sorted(pinned) == sorted(HOSTILE)


# A session that sends its own encoding has that; and over a socket of the machine itself, TCP's settings are not heeded.
ALIKE = {
    "client_encoding",
    "tcp_user_timeout",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
}


async def settings_of(connection: Connection) -> dict[str, str | None]:
    """What these settings are now; None for one that this server does not know."""
    return {name: await connection.fetchval("SELECT current_setting($1, true)", name) for name in HOSTILE}


async def test_a_timestamp_is_microseconds_since_2000(database: Database) -> None:
    async with session(database.url, purpose="reader") as connection:
        assert await connection.fetchval("SELECT timestamptz '2000-01-01 00:00:01.000002+00'") == 1_000_002
        assert await connection.fetchval("SELECT timestamptz '1999-12-31 23:59:59+00'") == -1_000_000
        assert await connection.fetchval("SELECT $1::timestamptz = '2000-01-01 00:00:00.000007+00'", 7)


async def test_a_role_that_does_not_exist_is_refused(postgres: EmbeddedPostgres) -> None:
    error = await failure_of(postgres.url(user="nobody_such").replace("@", f":{SECRET}@"))

    assert isinstance(error, Refused)
    assert "check the user" in str(error)
    assert SECRET not in str(error)


async def test_a_database_that_does_not_exist_is_refused(postgres: EmbeddedPostgres) -> None:
    error = await failure_of(postgres.url("no_such_database").replace("@", f":{SECRET}@"))

    assert isinstance(error, Refused)
    assert "check the database name" in str(error)
    assert SECRET not in str(error)


async def test_a_refused_port_is_unavailable() -> None:
    port = free_port()

    error = await failure_of(f"postgresql://app:{SECRET}@127.0.0.1:{port}/app")

    assert isinstance(error, Unavailable)
    assert f"cannot connect to PostgreSQL at 127.0.0.1:{port}/app" in str(error)
    assert SECRET not in str(error)


async def test_a_server_that_hangs_up_is_unavailable(database: Database) -> None:
    async with proxy(database.url) as between:
        between.refuse()
        assert isinstance(await failure_of(between.url), Unavailable)


async def test_a_server_that_does_not_answer_is_unavailable(database: Database) -> None:
    async with proxy(database.url) as between:
        between.stall()
        assert isinstance(await failure_of(between.url, timeout_seconds=0.2), Unavailable)


async def test_a_host_that_does_not_exist_is_unavailable() -> None:
    assert isinstance(await failure_of(f"postgresql://app:{SECRET}@host.invalid/app"), Unavailable)


async def test_a_server_that_is_too_old_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "MINIMUM_VERSION", 99)

    error = await failure_of(database.url)

    assert isinstance(error, Refused)
    assert "is too old; version 99 or newer is needed" in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hun/ter2@127.0.0.1:1/app",
        "postgresql://app:hun?ter2@127.0.0.1:1/app",
        "postgresql://app:hun#ter2@127.0.0.1:1/app",
        "postgresql://app:12/ter2@127.0.0.1:1/app",
        "postgresql://app:hun[ter2@127.0.0.1:1/app",
        "postgresql://app:hun%ter2@127.0.0.1:1/app",
        "postgresql://app:hunter2@127.0.0.1:port/app",
        "postgresql://127.0.0.1:1/app?password=hunter2&hun",
        "postgresql://app:hunter2@127.0.0.1:1/app?sslmode=hun",
        "postgres//app:hunter2@127.0.0.1/app",
        "app:hunter2@127.0.0.1/app",
        "mysql://app:hunter2@127.0.0.1/app",
    ],
)
async def test_no_part_of_a_password_shows_in_a_message(url: str) -> None:
    error = await failure_of(url, timeout_seconds=1.0)

    assert "hun" not in str(error)
    assert "ter2" not in str(error)


@pytest.mark.parametrize(
    "parameters",
    [
        "connect_timeout=5&keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9000",
        "connect_timeout=2147483647&keepalives=2147483647&keepalives_idle=32767&keepalives_interval=32767&keepalives_count=127",
        "tcp_user_timeout=2147483647&keepalives=-1&keepalives_idle=-1",
        "channel_binding=prefer&gssencmode=prefer&sslmode=prefer&target_session_attrs=read-write&load_balance_hosts=disable",
        "schema=public&connection_limit=1&pool_timeout=0&pgbouncer=true&statement_cache_size=0",
        "application_name=mine&client_encoding=latin1&options=-c%20search_path%3Dmine",
        "passfile=/nowhere&sslmode=disable&max_protocol_version=latest",
    ],
)
async def test_ordinary_parameters_of_a_url_lead_to_a_session(database: Database, parameters: str) -> None:
    async with session(f"{database.url}?{parameters}", purpose="reader") as ours:
        assert await ours.fetchval("SHOW application_name") == "forwarder reader"
        assert await ours.fetchval("SHOW search_path") == "pg_catalog, pg_temp"


async def test_what_does_not_answer_is_named_with_the_remedy() -> None:
    url = f"postgresql://app:{SECRET}@127.0.0.1:{free_port()}/app"

    error = await failure_of(url)

    assert isinstance(error, Unavailable)
    assert str(error).startswith(f"cannot connect to PostgreSQL at {describe(url)}: ")
    assert str(error).endswith("; check its host and port, and whether it runs and lets us in")
    assert SECRET not in str(error)


async def test_one_of_several_hosts_leads_to_a_session(database: Database) -> None:
    address = urlsplit(database.url).netloc.partition("@")[2]
    url = database.url.replace(address, f"127.0.0.1:1,{address}")

    async with session(url, purpose="reader") as ours:
        assert await ours.fetchval("SELECT 1") == 1
    assert describe(url) == f"127.0.0.1:1,{address}/{database.name}"


async def test_a_host_that_hangs_leaves_the_next_one_its_time(database: Database) -> None:
    address = urlsplit(database.url).netloc.partition("@")[2]
    # Nobody accepts what the system has accepted.
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as silent:
        dead = f"127.0.0.1:{silent.extra(SocketAttribute.local_port)}"
        ours = await connect(database.url.replace(address, f"{dead},{address}"), purpose="tests", timeout_seconds=2.0)
        assert await ours.fetchval("SELECT 1") == 1
        await ours.close()
        with pytest.raises(Unavailable):
            await connect(
                database.url.replace(address, f"{address.split(':')[0]}:1,{dead}"), purpose="tests", timeout_seconds=0.2
            )


@pytest.mark.parametrize("options", ["-c%20no_such_setting%3D1", "-c%20work_mem%3Dx", "nonsense"])
async def test_options_that_the_server_does_not_take_are_refused(database: Database, options: str) -> None:
    error = await failure_of(f"{database.url}?options={options}")

    assert isinstance(error, Refused)
    assert "check options in FORWARDER_DATABASE_URL" in str(error)


async def test_a_server_without_tls_is_refused_where_tls_is_required(database: Database) -> None:
    error = await failure_of(f"{database.url}?sslmode=require")

    assert isinstance(error, Refused)
    assert "TLS is off there: check host, port and sslmode" in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://app@127.0.0.1/app",
        "127.0.0.1/app",
        "postgresql://app@127.0.0.1:port/app",
        "postgresql://app@127.0.0.1/app?sslmode=bogus",
    ],
)
async def test_a_malformed_url_is_misconfigured(url: str) -> None:
    assert isinstance(await failure_of(url), Misconfigured)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://app:hunter2@db.example:6432/app?sslmode=require", "db.example:6432/app"),
        ("postgresql:///app", "localhost:5432/app"),
        ("postgresql://", "localhost:5432"),
        ("postgresql://app:hun/ter2@db/app", "an unreadable address"),
        ("postgresql://app:hun?ter2@db/app", "an unreadable address"),
        ("app:hunter2@db/app", "an unreadable address"),
    ],
)
def test_an_address_is_described_without_user_and_password(url: str, shown: str) -> None:
    assert describe(url) == shown


async def test_a_missing_schema_is_refused_with_the_remedy(bare_database: Database) -> None:
    async with session(bare_database.url, purpose="test") as connection:
        with (
            pytest.raises(Refused, match=r"cannot look: .*; run `forwarder migrate` first"),
            database_errors("cannot look"),
        ):
            await connection.fetchval("SELECT 1 FROM forwarder.outbox")


async def test_a_missing_privilege_is_refused_with_the_remedy(database: Database) -> None:
    async with session(database.writer_url, purpose="test") as connection:
        with (
            pytest.raises(Refused, match="connect as the role that ran `forwarder migrate`"),
            database_errors("cannot look"),
        ):
            await connection.fetchval("SELECT 1 FROM forwarder.outbox")


async def test_a_prepared_statement_that_another_session_has_is_refused_with_the_remedy(database: Database) -> None:
    async with session(database.url, purpose="test") as connection:
        await connection.fetchval("SELECT 1")
        # What a pooler does that is told to change from session mode to transaction mode.
        await connection.execute("DEALLOCATE ALL")
        with pytest.raises(Refused, match="connect to the host and port of PostgreSQL"), database_errors("cannot look"):
            await connection.fetchval("SELECT 1")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SELECT pg_cancel_backend(pg_backend_pid())",
        "SET statement_timeout = 10; SELECT pg_sleep(5)",
        "BEGIN READ ONLY; CREATE TABLE t ()",
    ],
)
async def test_what_passes_by_itself_is_unavailable(database: Database, statement: str) -> None:
    connection = await connect(database.url, purpose="test")
    with pytest.raises(Unavailable), database_errors("cannot look"):
        await connection.execute(statement)
    await close(connection)


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_a_transaction_that_was_undone_for_others_is_a_conflict(database: Database, code: str) -> None:
    async with session(database.url, purpose="test") as connection:
        with pytest.raises(Conflict, match="cannot look: not now"), database_errors("cannot look"):
            await connection.execute(f"DO $$ BEGIN RAISE 'not now' USING ERRCODE = '{code}'; END $$")


async def test_a_write_to_a_replica_is_unavailable_with_the_remedy(database: Database) -> None:
    async with session(database.url, purpose="test") as connection:
        await connection.execute("SET default_transaction_read_only = on")
        with (
            pytest.raises(Unavailable, match="connect to the primary, not to a replica"),
            database_errors("cannot write"),
        ):
            await connection.execute("CREATE TABLE public.anything ()")


async def test_an_error_that_nobody_has_foreseen_may_pass_and_is_named(database: Database) -> None:
    async with session(database.url, purpose="test") as connection:
        message = r"cannot look: division by zero \(SQLSTATE 22012\)"
        with pytest.raises(Unavailable, match=message), database_errors("cannot look"):
            await connection.execute("SELECT 1 / 0")


async def test_a_bug_is_no_error_of_ours() -> None:
    with pytest.raises(ZeroDivisionError), database_errors("cannot look"):
        raise ZeroDivisionError


async def test_a_statement_of_a_session_that_was_dropped_ends_soon_and_its_locks_with_it(
    database: Database, connection: Connection
) -> None:
    dropped = await connect(database.url, purpose="test")
    await dropped.execute("SELECT pg_advisory_lock(7)")
    async with anyio.create_task_group() as tasks:

        async def take_long() -> None:
            with suppress(asyncpg.ConnectionDoesNotExistError):
                await dropped.execute("SELECT count(pg_sleep(0.01)) FROM generate_series(1, 100000)")

        async def is_at_work() -> bool:
            found = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%')"
            return bool(await connection.fetchval(found, dropped.get_server_pid()))

        tasks.start_soon(take_long)
        await eventually(is_at_work)
        dropped.terminate()

    async def is_free() -> bool:
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock(7)"))

    await eventually(is_free, within_seconds=20)


async def test_closing_does_not_wait_for_a_server_that_went_dark(database: Database) -> None:
    async with proxy(database.url) as between:
        connection = await connect(between.url, purpose="test")
        between.stall()
        with anyio.fail_after(10):
            await close(connection)
        assert connection.is_closed()
