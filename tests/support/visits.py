"""Partitioned tables, and transactions that move their rows about, change their keys and truncate them, at random and several at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import anyio
import asyncpg

from tests.databases import connected
from tests.support.rows import Rows

if TYPE_CHECKING:
    from forwarder.database.sessions import Connection

# One has partitions that are partitioned, and one with other columns in other places; one has no key; two are captured without old rows.
SCHEMA = """
    CREATE TABLE public.visit (day date, id integer, note text, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
    CREATE TABLE public.visit_jan PARTITION OF public.visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE public.visit_feb (gone text, note text, id integer NOT NULL, day date NOT NULL);
    ALTER TABLE public.visit_feb DROP COLUMN gone;
    ALTER TABLE public.visit ATTACH PARTITION public.visit_feb FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
    CREATE TABLE public.visit_mar PARTITION OF public.visit FOR VALUES FROM ('2026-03-01') TO ('2026-04-01') PARTITION BY HASH (id);
    CREATE TABLE public.visit_mar_0 PARTITION OF public.visit_mar FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE public.visit_mar_1 PARTITION OF public.visit_mar FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE public.visit_rest PARTITION OF public.visit DEFAULT;

    CREATE TABLE public.trail (day date, id integer, note text) PARTITION BY RANGE (day);
    CREATE TABLE public.trail_jan PARTITION OF public.trail FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE public.trail_rest PARTITION OF public.trail DEFAULT;

    CREATE TABLE public.quiet (day date, id integer, note text, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
    CREATE TABLE public.quiet_jan PARTITION OF public.quiet FOR VALUES IN ('2026-01-01');
    CREATE TABLE public.quiet_rest PARTITION OF public.quiet DEFAULT;

    CREATE TABLE public.fair (day date, id integer, note text, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
    CREATE TABLE public.fair_jan PARTITION OF public.fair FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');

    CREATE TABLE public.whole (day date, id numeric PRIMARY KEY, note text, doubled numeric GENERATED ALWAYS AS (id * 2) STORED);
    CREATE TABLE public.terse (day date, id integer PRIMARY KEY, note text);
"""

RULES = """
    [[table]]
    match = "public.*"

    [[table]]
    match = "public.quiet"
    before = "none"

    [[table]]
    match = "public.terse"
    before = "none"
"""

# So that no table is without rows in the end; one has three that are the same, and loses one of them.
LAST_ROWS = """
    INSERT INTO public.visit VALUES ('2026-01-01', 9999);
    INSERT INTO public.trail SELECT '2026-01-01', 1, 'the same' FROM generate_series(1, 3);
    DELETE FROM public.trail WHERE note = 'the same' AND ctid = (SELECT max(ctid) FROM public.trail_jan);
    INSERT INTO public.quiet VALUES ('2026-01-01', 9999);
    INSERT INTO public.whole VALUES ('2026-01-01', 9999.90);
    INSERT INTO public.terse VALUES ('2026-01-01', 9999)
"""

# A partition is detached, and attached again; in the end some of what was changed meanwhile was changed again.
DETACHED_FOR_A_TIME = """
    INSERT INTO public.fair SELECT '2026-01-01', id, 'old' FROM generate_series(1, 5) AS id;
    ALTER TABLE public.fair DETACH PARTITION public.fair_jan;
    UPDATE public.fair_jan SET note = 'missed' WHERE id IN (1, 2);
    DELETE FROM public.fair_jan WHERE id IN (3, 4);
    INSERT INTO public.fair_jan SELECT '2026-01-01', id, 'missed' FROM generate_series(6, 8) AS id;
    ALTER TABLE public.fair ATTACH PARTITION public.fair_jan FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    UPDATE public.fair SET note = 'mended' WHERE id IN (1, 6);
    INSERT INTO public.fair VALUES ('2026-01-01', 3, 'mended');
    DELETE FROM public.fair WHERE id = 7
"""

_TABLES = ("visit", "visit", "trail", "quiet", "whole", "terse")
_PARTITIONS = ("visit_feb", "visit_mar", "visit_mar_0", "trail_jan", "quiet_jan")
_DAYS = ("2026-01-01", "2026-02-02", "2026-03-03", "2026-04-04")
_IDS = 30
_STATEMENTS = (
    "INSERT INTO {table} (day, id, note) SELECT '{day}', id, 'new' FROM generate_series({first}, {last}) AS id ON CONFLICT DO NOTHING",
    "INSERT INTO {table} (day, id, note) SELECT day, {id}, 'two' FROM (VALUES ('{day}'::date), ('{other_day}')) AS v (day)",
    "UPDATE {table} SET note = note || '{id}' WHERE id BETWEEN {first} AND {last}",
    "UPDATE {table} SET note = NULL WHERE day = '{day}'",
    "UPDATE {table} SET day = '{other_day}' WHERE day = '{day}' AND id BETWEEN {first} AND {last}",
    "UPDATE {table} SET day = '{other_day}', note = 'moved' WHERE id = {id}",
    "UPDATE {table} SET id = id + 1000 WHERE id BETWEEN {first} AND {last}",
    "UPDATE {table} SET id = id - 1000, day = '{day}' WHERE id > 1000",
    "DELETE FROM {table} WHERE id = {id}",
    "DELETE FROM {table} WHERE day = '{day}' AND id > {last}",
)
# What PostgreSQL objects to, and undoes: a key that is there already, a row that another session has moved, a lock that it holds.
_OBJECTIONS = (asyncpg.UniqueViolationError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)


async def write(url: str, *, writers: int, transactions: int, seed: int) -> None:
    """So many transactions of each writer, all writers at once."""
    async with anyio.create_task_group() as tasks:
        for writer in range(writers):
            tasks.start_soon(_write, url, transactions, Random(f"{seed} {writer}"))


async def _write(url: str, transactions: int, choice: Random) -> None:
    async with connected(url) as connection:
        await connection.execute("SET search_path = public; SET lock_timeout = '100ms'")
        for _ in range(transactions):
            await _transact(connection, choice)


async def _transact(connection: Connection, choice: Random) -> None:
    with suppress(*_OBJECTIONS):
        async with connection.transaction():
            for _ in range(choice.randint(1, 3)):
                await connection.execute(_statement(choice))


def _statement(choice: Random) -> str:
    if choice.random() < 0.06:
        return f"TRUNCATE {choice.choice(_TABLES + _PARTITIONS)}"
    day, other_day = choice.sample(_DAYS, 2)
    first = choice.randint(1, _IDS)
    return choice.choice(_STATEMENTS).format(
        table=choice.choice(_TABLES),
        day=day,
        other_day=other_day,
        id=choice.randint(1, _IDS),
        first=first,
        last=first + choice.randint(0, 10),
    )


def rows_of(partition: str, notes: Mapping[int, str]) -> Rows:
    """Those of January with these ids and notes."""
    return Counter((f"public.{partition}", "'2026-01-01'", f"'{id}'", f"'{note}'") for id, note in notes.items())
