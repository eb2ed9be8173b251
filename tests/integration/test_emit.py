"""`forwarder.emit()`: events of the application's own, in its transactions and in the order of their keys; and what the right to call it gives."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import pytest

from forwarder.config.database import CAPTURE_ROLE
from forwarder.database.queries import query
from forwarder.database.sessions import DOORBELL_LOCK, LOCK_CLASS, session
from forwarder.events import Event
from forwarder.outbox.position import Position, Snapshot
from forwarder.outbox.registry import Registry
from tests.databases import OWNER, WRITER, Database, connected, from_bare
from tests.migrating import migrate
from tests.reading import Reader
from tests.waiting import eventually

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

GRANT = f"GRANT USAGE ON SCHEMA forwarder TO {WRITER}; GRANT EXECUTE ON FUNCTION forwarder.emit TO {WRITER}"
EVENTS = Path(__file__).parents[2] / "docs" / "events.md"
EMIT = "SELECT forwarder.emit('order.placed', '42', '{{\"number\":{}}}')"


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.url) as connection:
        await connection.execute(GRANT)
        yield connection


@pytest.fixture
async def writer(database: Database, owner: Connection) -> AsyncIterator[Connection]:
    """A role of the application that may emit."""
    async with connected(database.writer_url) as connection:
        yield connection


@pytest.fixture
async def other(database: Database, owner: Connection) -> AsyncIterator[Connection]:
    """Another session of the same role."""
    async with connected(database.writer_url) as connection:
        yield connection


@pytest.fixture
async def root(database: Database) -> AsyncIterator[Connection]:
    async with connected(database.superuser_url) as connection:
        yield connection


@pytest.fixture
async def outbox(database: Database) -> AsyncIterator[Reader]:
    """What the listener reads with, from the beginning on."""
    async with session(database.url, purpose="reader") as connection:
        beginning = Position(delivered=Snapshot(1, 1), floor_seq=0)
        yield Reader(connection, position=beginning, registry=Registry(), page_rows=1000, page_bytes=1 << 20)


async def news(outbox: Reader) -> list[Event]:
    """What is new since the last time."""
    events: list[Event] = []
    while True:
        page = await outbox.read()
        events += page.events
        if not page.more:
            return events


async def read_one(outbox: Reader) -> Any:
    """The one event that is new, as JSON."""
    [event] = await news(outbox)
    return json.loads(event.after or "null")


def numbers(events: Sequence[Event]) -> list[int]:
    return [json.loads(event.after or "")["payload"]["number"] for event in events]


# What an event is.


async def test_an_event_has_its_key_and_all_that_was_given(writer: Connection, outbox: Reader) -> None:
    seq = await writer.fetchval("""SELECT forwarder.emit('order.placed', '42', '{"total": 10.50}', 'orders')""")

    [event] = await news(outbox)

    assert (event.seq, event.op, event.table.qualified_name, event.partition) == (seq, b"E", "forwarder.event", None)
    assert event.key == '{"key":"42"}'
    assert event.key_values == "42"
    assert event.before is None
    assert event.after == '{"key":"42","type":"order.placed","topic":"orders","payload":{"total": 10.50}}'


async def test_names_may_be_given_and_the_topic_be_left_out(writer: Connection, outbox: Reader) -> None:
    await writer.execute("SELECT forwarder.emit(key => 'a\"\\b', payload => '[]', type => E'line\nbreak')")

    assert await read_one(outbox) == {"key": 'a"\\b', "type": "line\nbreak", "topic": None, "payload": []}


PAYLOADS = (
    ("""'{"a": 1.10,  "b":1}'""", '{"a": 1.10,  "b":1}'),
    ("""'{"a": 1.10,  "b":1}'::json""", '{"a": 1.10,  "b":1}'),
    ("'[123456789012345678901234567890.10, 1e400]'::json", "[123456789012345678901234567890.10, 1e400]"),
    ("""'{"b":1,  "a": 1.10}'::jsonb""", '{"a": 1.10, "b": 1}'),
    ("'[1.10]'::text", "[1.10]"),
    ("'[1.10]'::varchar(10)", "[1.10]"),
    ("jsonb_build_object('a', 'é')", '{"a": "é"}'),
    ("row_to_json(ROW(1, 'x'))", '{"f1":1,"f2":"x"}'),
    ("to_json('text'::text)", '"text"'),
    ("'null'::jsonb", "null"),
    ("NULL", "null"),
    ("NULL::jsonb", "null"),
)


async def test_a_payload_is_passed_on_as_it_was_given(writer: Connection, outbox: Reader) -> None:
    for payload, _ in PAYLOADS:
        await writer.execute(f"SELECT forwarder.emit('t', 'k', {payload})")

    assert [event.after for event in await news(outbox)] == [
        f'{{"key":"k","type":"t","topic":null,"payload":{is_written_as}}}' for _, is_written_as in PAYLOADS
    ]


@pytest.mark.parametrize("cast", ["", "::text", "::json", "::jsonb", "::varchar"])
async def test_a_driver_may_pass_text_with_a_cast_or_without(writer: Connection, outbox: Reader, cast: str) -> None:
    await writer.execute(f"SELECT forwarder.emit($1, $2, $3{cast}, $4)", "t", "k", "[1]", None)

    assert await read_one(outbox) == {"key": "k", "type": "t", "topic": None, "payload": [1]}


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "says"),
    [
        ("NULL, 'k', '{}'", "22004", "needs a type"),
        ("'', 'k', '{}'", "22004", "needs a type"),
        ("'t', NULL, '{}'", "22004", "needs a key"),
        ("'t', '', '{}'", "22004", "needs a key"),
        ("'t', 'k', 42", "42804", "takes a payload of type json, jsonb or text, and was given integer"),
        ("'t', 'k', ROW(1)", "42804", "was given record"),
        ("'t', 'k', ARRAY['{}'::json]", "42804", r"was given json\[\]"),
        ("'t', 'k', 'shop'::pg_catalog.name", "42804", "was given name"),
        ("'t', 'k', '{'", "22P02", "invalid input syntax for type json"),
    ],
)
async def test_what_is_no_event_is_refused_in_one_line(
    writer: Connection, outbox: Reader, arguments: str, sqlstate: str, says: str
) -> None:
    with pytest.raises(asyncpg.PostgresError, match=says) as refused:
        await writer.execute(f"SELECT forwarder.emit({arguments})")

    assert refused.value.sqlstate == sqlstate
    assert "\n" not in refused.value.args[0]
    assert await news(outbox) == []


async def test_an_event_above_max_image_bytes_is_an_error_of_who_emits_it(
    owner: Connection, writer: Connection, outbox: Reader
) -> None:
    await owner.execute("SELECT forwarder.limit_images(1000)")
    around = len('{"key":"k","type":"t","topic":null,"payload":""}')
    await writer.execute("SELECT forwarder.emit('t', 'k', to_json(repeat('x', $1)))", 1000 - around)

    with pytest.raises(asyncpg.ProgramLimitExceededError, match=r"up to 1000 bytes .*, and was given one of 1001"):
        await writer.execute("SELECT forwarder.emit('t', 'k', to_json(repeat('x', $1)))", 1001 - around)

    assert len(await news(outbox)) == 1


async def test_a_large_event_stays_in_the_database_and_its_key_is_known(writer: Connection, outbox: Reader) -> None:
    await writer.execute("SELECT forwarder.emit('t', '42', to_json(repeat('x', 2 << 20)))")
    await writer.execute("SELECT forwarder.emit('t', repeat('y', 5000), to_json(repeat('x', 2 << 20)))")

    events = await news(outbox)

    assert [event.key_values for event in events] == ["42", "y" * 5000]
    assert all(event.after is None and event.stored and event.stored.after_bytes for event in events)


# In the transaction of who emits it.


async def test_an_event_is_committed_with_its_transaction_or_not_at_all(writer: Connection, outbox: Reader) -> None:
    await writer.execute(f"BEGIN; {EMIT.format(1)}")
    assert await news(outbox) == []
    await writer.execute("ROLLBACK")
    await writer.execute(f"BEGIN; {EMIT.format(2)}; COMMIT")

    assert numbers(await news(outbox)) == [2]


async def test_a_savepoint_that_is_rolled_back_takes_its_events_and_their_keys_along(
    writer: Connection, other: Connection, outbox: Reader
) -> None:
    await writer.execute("BEGIN; SELECT forwarder.emit('t', 'kept', '{\"number\":1}'); SAVEPOINT before")
    await writer.execute(f"{EMIT.format(2)}; ROLLBACK TO before")

    # Whoever emits for this key does not wait.
    await other.execute(EMIT.format(3))
    await writer.execute("COMMIT")

    assert numbers(await news(outbox)) == [1, 3]


async def test_an_event_and_the_rows_of_its_transaction_are_numbered_together(
    owner: Connection, writer: Connection, outbox: Reader
) -> None:
    await owner.execute("CREATE TABLE public.orders (id bigint PRIMARY KEY)")
    await migrate(owner, "orders")
    await writer.execute(f"BEGIN; INSERT INTO orders VALUES (42); {EMIT.format(1)}; DELETE FROM orders; COMMIT")

    assert [(event.op, event.index, event.count) for event in await news(outbox)] == [
        (b"I", 1, 3),
        (b"E", 2, 3),
        (b"D", 3, 3),
    ]


async def test_a_trigger_of_the_application_may_emit(owner: Connection, writer: Connection, outbox: Reader) -> None:
    await owner.execute(
        "CREATE TABLE public.orders (id bigint PRIMARY KEY, status text);"
        "CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " PERFORM forwarder.emit('order.' || NEW.status, NEW.id::text, to_jsonb(NEW), TG_TABLE_NAME); RETURN NULL; END$$;"
        "CREATE TRIGGER tell AFTER INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.tell()"
    )
    await writer.execute("INSERT INTO orders VALUES (42, 'placed')")

    assert await read_one(outbox) == {
        "key": "42",
        "type": "order.placed",
        "topic": "orders",
        "payload": {"id": 42, "status": "placed"},
    }


async def test_a_transaction_that_may_only_read_cannot_emit(writer: Connection, outbox: Reader) -> None:
    await writer.execute("BEGIN READ ONLY")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError, match="cannot execute"):
        await writer.execute(EMIT.format(1))
    await writer.execute("ROLLBACK")

    assert await news(outbox) == []


async def test_an_event_is_emitted_where_triggers_do_not_fire(root: Connection, outbox: Reader) -> None:
    await root.execute(f"SET session_replication_role = replica; {EMIT.format(1)}")

    assert numbers(await news(outbox)) == [1]


async def test_transactions_that_are_serializable_do_not_meet_in_events(
    writer: Connection, other: Connection, outbox: Reader
) -> None:
    for session_ in (writer, other):
        await session_.execute("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM pg_class")
    await writer.execute("SELECT forwarder.emit('t', 'one', '{\"number\":1}')")
    await other.execute("SELECT forwarder.emit('t', 'another', '{\"number\":2}')")
    await writer.execute("COMMIT")
    await other.execute("COMMIT")

    assert numbers(await news(outbox)) == [1, 2]


# The order of the events of one key.


async def is_waiting(observer: Connection, pid: int) -> bool:
    return bool(await observer.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid))


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
async def test_events_of_one_key_have_the_order_of_commits(
    owner: Connection, writer: Connection, other: Connection, outbox: Reader, level: str
) -> None:
    for session_ in (writer, other):
        await session_.execute(f"BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM pg_class")
    await writer.execute(EMIT.format(1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other.execute, f"{EMIT.format(2)}; COMMIT")
        await eventually(lambda: is_waiting(owner, other.get_server_pid()))
        assert await news(outbox) == []
        await writer.execute(f"{EMIT.format(3)}; COMMIT")

    events = await news(outbox)
    assert numbers(events) == [1, 3, 2]
    assert [event.seq for event in events] == sorted(event.seq for event in events)


async def test_whoever_emits_for_another_key_does_not_wait(
    writer: Connection, other: Connection, outbox: Reader
) -> None:
    await writer.execute(f"BEGIN; {EMIT.format(1)}")
    await other.execute("SET lock_timeout = '1ms'; SELECT forwarder.emit('t', '43', '{\"number\":2}')")
    assert numbers(await news(outbox)) == [2]
    await writer.execute("COMMIT")

    assert numbers(await news(outbox)) == [1]


async def test_transactions_that_emit_for_two_keys_the_other_way_round_are_a_deadlock_that_ends(
    writer: Connection, other: Connection, outbox: Reader
) -> None:
    emit = "SELECT forwarder.emit('t', '{}', '{{}}')"
    await writer.execute(f"BEGIN; {emit.format('a')}")
    await other.execute(f"BEGIN; {emit.format('b')}")
    undone: list[Connection] = []

    async def go_on(session_: Connection, key: str) -> None:
        try:
            await session_.execute(f"{emit.format(key)}; COMMIT")
        except asyncpg.DeadlockDetectedError:
            undone.append(session_)
            await session_.execute("ROLLBACK")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_on, writer, "b")
        tasks.start_soon(go_on, other, "a")

    assert len(undone) == 1
    assert len(await news(outbox)) == 2


async def test_a_transaction_of_any_number_of_keys_leaves_the_lock_table_to_others(
    owner: Connection, writer: Connection, outbox: Reader
) -> None:
    await writer.execute("BEGIN")
    await writer.fetch("SELECT forwarder.emit('t', key::text, '{}') FROM generate_series(1, 10000) AS key")
    locks = await owner.fetchval(
        "SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype = 'advisory'", writer.get_server_pid()
    )
    await writer.execute("COMMIT")

    # And the doorbell's.
    assert locks <= 501
    assert [event.key_values for event in await news(outbox)] == [str(key) for key in range(1, 10001)]
    # The next transaction has as many again.
    await writer.execute(f"BEGIN; {EMIT.format(1)}")
    assert await owner.fetchval(
        "SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype = 'advisory' AND classid = 1719100517",
        writer.get_server_pid(),
    )


# The doorbell.

ARM = f"SELECT pg_advisory_lock({LOCK_CLASS}, {DOORBELL_LOCK})"
IS_FREE = f"SELECT pg_try_advisory_lock({LOCK_CLASS}, {DOORBELL_LOCK})"


async def rings(database: Database, writer: Connection, *statements: str) -> int:
    """How often the bell rings while a session of the writer's runs these."""
    heard: list[object] = []
    async with connected(database.url) as listener:
        await listener.add_listener("forwarder", lambda *arguments: heard.append(arguments[3]))
        for statement in statements:
            await writer.execute(statement)
        await writer.execute("SELECT pg_notify('forwarder', 'mark')")

        async def is_marked() -> bool:
            return "mark" in heard

        await eventually(is_marked)
    return len(heard) - 1


async def test_an_event_wakes_a_listener_that_sleeps(database: Database, owner: Connection, writer: Connection) -> None:
    assert await rings(database, writer, EMIT.format(1)) == 0
    await owner.execute(ARM)
    assert await rings(database, writer, EMIT.format(2)) == 1
    assert await rings(database, writer, f"BEGIN; {EMIT.format(3)}; {EMIT.format(4)}; COMMIT") == 1
    assert await rings(database, writer, "SET forwarder.wake = 'poll'", EMIT.format(5)) == 0


async def test_a_listener_that_is_awake_knows_of_an_event_that_is_under_way(
    owner: Connection, writer: Connection
) -> None:
    await writer.execute(f"BEGIN; {EMIT.format(1)}")
    assert not await owner.fetchval(IS_FREE)
    await writer.execute("COMMIT")
    assert await owner.fetchval(IS_FREE)


# Paused capture.


async def test_what_is_emitted_while_capture_is_paused_has_no_seq_and_the_gap_is_told(
    owner: Connection, writer: Connection, outbox: Reader
) -> None:
    await owner.execute("SELECT forwarder.set_paused(true)")
    assert await writer.fetchval(EMIT.format(1)) is None
    with pytest.raises(asyncpg.NullValueNotAllowedError):
        await writer.execute("SELECT forwarder.emit('t', NULL, '{}')")
    await owner.execute("SELECT forwarder.set_paused(false)")
    assert await writer.fetchval(EMIT.format(2)) is not None

    assert [(event.table.qualified_name, event.op, event.partition, event.fault) for event in await news(outbox)] == [
        ("forwarder.event", b"G", None, "capture paused"),
        ("forwarder.event", b"G", None, "capture resumed"),
        ("forwarder.event", b"E", None, None),
    ]


# What others leave in the way.


async def test_a_name_found_in_the_path_of_a_session_is_not_used(
    owner: Connection, writer: Connection, root: Connection, outbox: Reader
) -> None:
    await root.execute(
        f"CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO {WRITER}; GRANT TEMP ON DATABASE"
        f" {await root.fetchval('SELECT quote_ident(current_database())')} TO {WRITER}"
    )
    for function in ("to_json(text)", "octet_length(text)", "hashtext(text)", "currval(text)", "pg_typeof(text)"):
        await writer.execute(
            f"CREATE FUNCTION evil.{function} RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'called'; END$$"
        )
    await writer.execute(
        "CREATE FUNCTION evil.is_equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'called'; END$$;"
        "CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.is_equal);"
        "CREATE TEMP TABLE outbox (seq bigint); CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (false);"
        "SET search_path = evil, pg_temp, pg_catalog"
    )

    await writer.execute(EMIT.format(1))

    assert numbers(await news(outbox)) == [1]


async def test_no_code_of_a_payloads_type_is_run_with_rights_of_ours(root: Connection, writer: Connection) -> None:
    await root.execute(f"GRANT CREATE ON SCHEMA public TO {WRITER}")
    await writer.execute(
        "CREATE TYPE public.odd AS (a int);"
        "CREATE FUNCTION public.odd_text(public.odd) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'called'; END$$;"
        "CREATE CAST (public.odd AS text) WITH FUNCTION public.odd_text(public.odd);"
        "CREATE DOMAIN public.strict AS json"
    )

    for odd in ("ROW(1)::public.odd", "'{}'::public.strict"):
        with pytest.raises(asyncpg.DatatypeMismatchError, match=r"was given public\.(odd|strict)"):
            await writer.execute(f"SELECT forwarder.emit('t', 'k', {odd})")


# Who may emit, and what that gives.


async def test_nobody_may_emit_who_was_not_granted_it(database: Database, owner: Connection) -> None:
    await owner.execute(f"REVOKE EXECUTE ON FUNCTION forwarder.emit FROM {WRITER}")
    async with connected(database.writer_url) as writer:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for function emit"):
            await writer.execute(EMIT.format(1))


async def test_whoever_may_emit_may_do_nothing_else_here(owner: Connection, root: Connection) -> None:
    await migrate(owner)
    rows = await root.fetch(
        """
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'forwarder'::regnamespace AND has_function_privilege($1, oid, 'EXECUTE')
        UNION ALL
        SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace = 'forwarder'::regnamespace AND CASE relkind
            WHEN 'S' THEN has_sequence_privilege($1, oid, 'USAGE, SELECT, UPDATE')
            WHEN 'i' THEN false
            WHEN 'I' THEN false
            ELSE has_table_privilege($1, oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                OR has_any_column_privilege($1, oid, 'SELECT, INSERT, UPDATE, REFERENCES') END
        """,
        WRITER,
    )
    assert [name for (name,) in rows] == ["forwarder.emit(text,text,anycompatible,text)"]
    assert not await root.fetchval("SELECT has_schema_privilege($1, 'forwarder', 'CREATE')", WRITER)


async def test_migrate_takes_no_grant_back_also_where_one_like_it_is_given_by_default(
    database: Database, owner: Connection, outbox: Reader
) -> None:
    await owner.execute(
        f"ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {WRITER};"
        f"ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {WRITER}"
    )
    await migrate(owner)
    assert (await migrate(owner)).done == []
    async with connected(database.writer_url) as writer:
        await writer.execute(EMIT.format(1))

    assert numbers(await news(outbox)) == [1]


async def test_everybody_may_not_be_granted_it(owner: Connection) -> None:
    await owner.execute("GRANT EXECUTE ON FUNCTION forwarder.emit TO PUBLIC")
    await migrate(owner)

    assert not await owner.fetchval(
        "SELECT EXISTS (SELECT FROM pg_proc, aclexplode(proacl) WHERE proname = 'emit' AND grantee = 0)"
    )


async def owner_of_emit(connection: Connection) -> str:
    role: str = await connection.fetchval("SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'emit'")
    return role


async def test_it_has_the_rights_of_capture_and_is_given_them_again(owner: Connection, writer: Connection) -> None:
    assert await owner_of_emit(owner) == CAPTURE_ROLE
    await owner.execute(f"ALTER FUNCTION forwarder.emit OWNER TO {OWNER}")

    assert len((await migrate(owner)).done) == 1

    assert await owner_of_emit(owner) == CAPTURE_ROLE
    assert await writer.fetchval(EMIT.format(1)) is not None
    assert (await migrate(owner)).done == []


async def test_another_role_of_capture_takes_it_over_with_its_grants(
    owner: Connection, root: Connection, writer: Connection
) -> None:
    role = f"capture_{secrets.token_hex(4)}"
    await root.execute(f"CREATE ROLE {role}; GRANT {role} TO {OWNER}")
    try:
        await migrate(owner, capture_role=role)
        assert await owner_of_emit(owner) == role
        await writer.execute(EMIT.format(1))
    finally:
        await migrate(owner)
        await root.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("damage", ["ALTER FUNCTION forwarder.emit SECURITY INVOKER", "DROP FUNCTION forwarder.emit"])
async def test_it_is_mended_if_somebody_has_altered_it(
    owner: Connection, writer: Connection, outbox: Reader, damage: str
) -> None:
    await owner.execute(damage)
    await migrate(owner)
    await owner.execute(GRANT)
    await writer.execute(EMIT.format(1))

    assert await owner_of_emit(owner) == CAPTURE_ROLE
    assert numbers(await news(outbox)) == [1]


async def test_a_role_without_the_right_may_emit_through_a_function_of_one_that_has_it(
    database: Database, owner: Connection, outbox: Reader
) -> None:
    [example] = re.findall(r"CREATE FUNCTION app\..*?\$\$;", EVENTS.read_text(), re.DOTALL)
    await owner.execute(f"REVOKE ALL ON SCHEMA forwarder FROM {WRITER}; CREATE SCHEMA app; {example}")
    await owner.execute(f"GRANT USAGE ON SCHEMA app TO {WRITER}")
    async with connected(database.writer_url) as writer:
        await writer.execute("SELECT app.emit('t', '42', '{\"number\":1}')")

    assert numbers(await news(outbox)) == [1]


@from_bare
async def test_privileges_by_default_let_nobody_emit(fresh_database: Database) -> None:
    async with connected(fresh_database.url) as owner, connected(fresh_database.writer_url) as stranger:
        await owner.execute(
            f"ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO {WRITER};"
            f"ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO {WRITER}"
        )
        await migrate(owner)
        await owner.execute(f"GRANT USAGE ON SCHEMA forwarder TO {WRITER}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stranger.execute(EMIT.format(1))


# In the registry, and through `forwarder migrate`.

ROW = "SELECT id, relation, schema_name, table_name, key_columns::text, removed_at FROM forwarder.captured_table WHERE id = 0"


@pytest.mark.parametrize("options", [{}, {"remove": True}])
async def test_migrate_has_nothing_to_say_of_events_whatever_it_selects(
    owner: Connection, options: dict[str, Any]
) -> None:
    before = tuple(await owner.fetchrow(ROW) or ())
    await owner.execute("CREATE TABLE public.event (key text PRIMARY KEY); CREATE TABLE public.other (id int)")

    assert (await migrate(owner, "event", **options)).tables == ["public.event"]
    assert (await migrate(owner, "other", **options)).tables[-1] == "public.other"

    assert tuple(await owner.fetchrow(ROW) or ()) == before
    assert await owner.fetch(query("watch_triggers")) == []


async def test_a_look_at_the_names_of_tables_leaves_events_as_they_are(writer: Connection, outbox: Reader) -> None:
    await writer.execute(EMIT.format(1))
    [first] = await news(outbox)
    await outbox.look_up_names()
    await writer.execute(EMIT.format(2))
    [second] = await news(outbox)

    assert first.table is second.table
    assert second.key == '{"key":"42"}'
