"""TPC-B, as pgbench does it: the four tables, and transactions that all change the row of one branch."""

from __future__ import annotations

from random import Random

import anyio

from tests.databases import connected

TELLERS = 10
ACCOUNTS = 200

SCHEMA = """
    CREATE TABLE public.pgbench_branches (bid integer PRIMARY KEY, bbalance integer, filler char(88));
    CREATE TABLE public.pgbench_tellers (tid integer PRIMARY KEY, bid integer, tbalance integer, filler char(84));
    CREATE TABLE public.pgbench_accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler char(84));
    CREATE TABLE public.pgbench_history (tid integer, bid integer, aid integer, delta integer, mtime timestamp, filler char(22));
"""

_LOAD = f"""
    INSERT INTO public.pgbench_branches (bid, bbalance) VALUES (1, 0);
    INSERT INTO public.pgbench_tellers (tid, bid, tbalance) SELECT tid, 1, 0 FROM generate_series(1, {TELLERS}) AS tid;
    INSERT INTO public.pgbench_accounts (aid, bid, abalance, filler) SELECT aid, 1, 0, '' FROM generate_series(1, {ACCOUNTS}) AS aid;
"""

# pgbench's built-in script "TPC-B (sort of)".
_TRANSACTION = (
    ("UPDATE public.pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2", "delta aid"),
    ("SELECT abalance FROM public.pgbench_accounts WHERE aid = $1", "aid"),
    ("UPDATE public.pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2", "delta tid"),
    ("UPDATE public.pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2", "delta bid"),
    (
        "INSERT INTO public.pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
        "tid bid aid delta",
    ),
)


async def load(url: str) -> None:
    """What `pgbench --initialize` puts into the tables, a five hundredth of it."""
    async with connected(url) as connection:
        await connection.execute(_LOAD)


async def transact(url: str, *, clients: int, transactions: int, seed: int) -> None:
    """So many transactions of each client, all clients at once."""
    async with anyio.create_task_group() as tasks:
        for client in range(clients):
            tasks.start_soon(_client, url, transactions, Random(f"{seed} {client}"))


async def _client(url: str, transactions: int, choice: Random) -> None:
    async with connected(url) as connection:
        for _ in range(transactions):
            values = {
                "aid": choice.randint(1, ACCOUNTS),
                "bid": 1,
                "tid": choice.randint(1, TELLERS),
                "delta": choice.randint(-5000, 5000),
            }
            async with connection.transaction():
                for statement, names in _TRANSACTION:
                    await connection.execute(statement, *(values[name] for name in names.split()))
