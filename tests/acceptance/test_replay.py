"""`forwarder replay --table` as an operator uses it, killed in the middle too."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.databases import Database, connected
from tests.ledger import Ledger, write_rows
from tests.listening import Operator, command
from tests.waiting import eventually

REPLAY = ("replay", "--sink", "default", "--from", "oldest", "--table", "account")
CHANGES = 1200
# Of the second portion.
HELD_SEQ = 700


@pytest.fixture
def env(database: Database) -> Mapping[str, str]:
    return {"FORWARDER_DATABASE_URL": database.url}


@pytest.fixture
def operator(env: Mapping[str, str], tmp_path: Path) -> Operator:
    return Operator(env, tmp_path)


async def test_the_same_command_goes_on_after_a_kill_and_every_change_comes_again_once(
    database: Database, ledger: Ledger, env: Mapping[str, str], operator: Operator, tmp_path: Path
) -> None:
    listen = ("listen", "--once", "--sink", f"file:{tmp_path}/default.jsonl")
    await write_rows(ledger, database.writer_url, *range(1000, 1000 + CHANGES))
    await operator.says(*listen)
    async with connected(database.url) as observer, connected(database.url) as holder:

        async def is_in_the_middle() -> bool:
            return bool(await observer.fetchval("SELECT next_seq > 1 FROM forwarder.replay"))

        await holder.execute(
            "BEGIN; INSERT INTO forwarder.dead_letter"
            " (sink, seq, txid, at, table_id, relation, op, tx_index, tx_count, partition_key, record_bytes, code, reason)"
            f" VALUES ('default', {HELD_SEQ}, '1', now(), 1, 1, 'I', 1, 1, '', 0, '', '')"
        )
        async with command(*REPLAY, env=env, directory=tmp_path / "killed") as killed:
            await eventually(is_in_the_middle, within_seconds=20)
            await killed.kill()
        await holder.execute("ROLLBACK")
    listed = await operator.says("sinks", "list")
    assert "default: the replay of public.account, begun at " in listed
    assert (
        f"is at change 501 of {CHANGES}: 500 changes so far. If it was interrupted, the same command goes on" in listed
    )
    (sink,) = (await operator.says("sinks", "list", "--json")).splitlines()
    assert json.loads(sink)["replay"]["next_seq"] == 501
    # What there is already is delivered, and gone.
    await operator.says(*listen)

    async with command(*REPLAY, env=env, directory=tmp_path / "again") as again:
        assert await again.ends() == 0
    assert "default: going on at change 501, where the same was interrupted (500 changes so far)" in again.stderr
    assert "what was delivered since is no part of it. To begin again, with that: --anew" in again.stderr
    assert f"default: {CHANGES} changes from 1 " in again.stdout.decode()
    await operator.says(*listen)

    assert "replay of" not in await operator.says("sinks", "list")
    lines = (tmp_path / "default.jsonl").read_bytes().splitlines()
    assert set(Counter(lines).values()) == {2}
    assert len(lines) == 2 * CHANGES


async def test_to_begin_anew_is_for_tables(operator: Operator) -> None:
    error = await operator.says("replay", "--sink", "default", "--from", "oldest", "--anew", status=2)
    assert "--anew is for --table" in error


@pytest.fixture
def listen(tmp_path: Path) -> tuple[str, ...]:
    return ("listen", "--sink", f"file:{tmp_path}/default.jsonl")


def times(directory: Path) -> Counter[bytes]:
    """How often each record has come."""
    return Counter((directory / "default.jsonl").read_bytes().splitlines())


async def test_a_command_that_is_killed_sets_a_sink_back_or_does_not(
    database: Database,
    ledger: Ledger,
    env: Mapping[str, str],
    operator: Operator,
    listen: tuple[str, ...],
    tmp_path: Path,
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 120))
    await operator.says(*listen, "--once")
    async with connected(database.url) as holder, connected(database.superuser_url) as observer:

        async def is_held_up() -> bool:
            return bool(
                await observer.fetchval(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
                    " AND datname = current_database() AND application_name = 'forwarder replay')"
                )
            )

        await holder.execute("BEGIN; LOCK TABLE forwarder.sink IN ACCESS EXCLUSIVE MODE")
        async with command(*REPLAY[:5], env=env, directory=tmp_path / "killed") as killed:
            await eventually(is_held_up, within_seconds=20)
            await killed.kill()
        await holder.execute("ROLLBACK")
    await operator.says(*listen, "--once")
    assert set(times(tmp_path).values()) == {1}
    await operator.says(*REPLAY[:5])
    await operator.says(*listen, "--once")
    assert set(times(tmp_path).values()) == {2}


async def test_what_a_killed_listener_has_sent_of_a_replay_and_not_said_so_comes_once_more(
    database: Database,
    ledger: Ledger,
    env: Mapping[str, str],
    operator: Operator,
    listen: tuple[str, ...],
    tmp_path: Path,
) -> None:
    await write_rows(ledger, database.writer_url, *range(100, 120))
    await operator.says(*listen, "--once")
    await operator.says(*REPLAY)
    async with connected(database.url) as holder, connected(database.superuser_url) as observer:

        async def nobody_waits() -> bool:
            waiting = "cardinality(pg_blocking_pids(pid)) > 0 AND datname = current_database()"
            return not await observer.fetchval(f"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {waiting})")

        await holder.execute("BEGIN; SELECT FROM forwarder.dead_letter FOR UPDATE")

        async def has_sent_them() -> bool:
            return set(times(tmp_path).values()) == {2}

        async with command(*listen, env=env, directory=tmp_path / "killed") as killed:
            await eventually(has_sent_them, within_seconds=20)
            await killed.kill()
        # Else the server may go on to delete the letters, for a client that is gone.
        await eventually(nobody_waits, within_seconds=20)
        await holder.execute("ROLLBACK")
    await operator.says(*listen, "--once")
    assert set(times(tmp_path).values()) == {3}
    assert "dead letters: 0" in await operator.says("dead-letters", "list")
