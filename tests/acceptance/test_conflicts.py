"""A command whose transaction the database undoes for the sake of another one does it again, and says nothing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from forwarder.database.sessions import session
from forwarder.records.record import SetAside
from forwarder.store import dead_letters
from tests.databases import Database, connected
from tests.ledger import Ledger, write_rows
from tests.listening import Operator

# How often each is undone. A sequence goes on counting in a transaction that is undone.
CONFLICTS = 2
UNDO = f"""
    CREATE SEQUENCE public.tries;
    GRANT USAGE ON SEQUENCE public.tries TO PUBLIC;
    CREATE FUNCTION public.undo() RETURNS {{returns}} LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('public.tries') <= {CONFLICTS} THEN
            RAISE 'could not serialize access' USING ERRCODE = '{{code}}';
        END IF;
        {{leave}}
    END $$;
"""
REPLAY = ["replay", "--sink", "default", "--from", "oldest"]

UNDO_STATEMENT = UNDO.replace("{returns}", "trigger").replace("{leave}", "RETURN NULL;")
UNDO_COMMAND = UNDO.replace("{returns}", "event_trigger").replace("{leave}", "")


@pytest.fixture
def env(database: Database) -> Mapping[str, str]:
    return {"FORWARDER_DATABASE_URL": database.url}


@pytest.fixture
def operator(env: Mapping[str, str], tmp_path: Path) -> Operator:
    return Operator(env, tmp_path)


async def undo(database: Database, table: str, *, code: str) -> None:
    """Undo what is done to a table, a few times."""
    async with connected(database.url) as owner:
        await owner.execute(UNDO_STATEMENT.replace("{code}", code))
        await owner.execute(
            f"CREATE TRIGGER undo AFTER INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION public.undo()"
        )


async def set_aside_one(database: Database) -> None:
    """Make one of the changes a dead letter."""
    change = SetAside(seq=1, partition_key="", size=1, code="oversize", reason="")
    async with session(database.url, purpose="test") as connection:
        await dead_letters.keep(connection, [change], sink="default")


async def tries(database: Database) -> int:
    async with connected(database.superuser_url) as administrator:
        count: int = await administrator.fetchval("SELECT last_value FROM public.tries")
        return count


@pytest.mark.parametrize(
    ("table", "arguments", "answer", "code"),
    [
        ("forwarder.sink", REPLAY, "set back", "40001"),
        ("forwarder.dead_letter", [*REPLAY, "--table", "public.*"], "sent again", "40001"),
        ("forwarder.dead_letter", ["dead-letters", "retry", "--all"], "to be sent again: 1", "40P01"),
        ("forwarder.dead_letter", ["dead-letters", "discard", "--all"], "discarded: 1", "40P01"),
        ("forwarder.sink", ["sinks", "remove", "default", "--discard"], "removed", "40001"),
    ],
    ids=["replay", "replay of tables", "retry", "discard", "remove"],
)
async def test_a_command_is_done_in_the_end(
    database: Database,
    ledger: Ledger,
    operator: Operator,
    tmp_path: Path,
    table: str,
    arguments: Sequence[str],
    answer: str,
    code: str,
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 110))
    await operator.says("listen", "--once", "--sink", f"file:{tmp_path}/one.jsonl")
    await set_aside_one(database)
    await undo(database, table, code=code)

    assert answer in await operator.says(*arguments)
    assert await tries(database) > CONFLICTS


async def test_a_migration_is_done_in_the_end(bare_database: Database, tmp_path: Path) -> None:
    async with connected(bare_database.url) as owner:
        await owner.execute("CREATE TABLE public.item (id bigint PRIMARY KEY)")
    async with connected(bare_database.superuser_url) as administrator:
        await administrator.execute(UNDO_COMMAND.replace("{code}", "40001"))
        await administrator.execute("CREATE EVENT TRIGGER undo ON ddl_command_start EXECUTE FUNCTION public.undo()")
    operator = Operator({"FORWARDER_DATABASE_URL": bare_database.url}, tmp_path)

    assert "capture installed" in await operator.says("migrate", "--table", "public.*")
    assert await tries(bare_database) > CONFLICTS

    await restart(bare_database)
    assert "schema forwarder: dropped" in await operator.says("migrate", "--down")
    assert await tries(bare_database) > CONFLICTS


async def restart(database: Database) -> None:
    """Undo a few more."""
    async with connected(database.superuser_url) as administrator:
        await administrator.execute("SELECT setval('public.tries', 1, false)")
