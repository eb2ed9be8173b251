"""Random tables with random triggers, and random statements on them: what an application may do to its rows, at any depth."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from forwarder.config.table_options import BeforeImage
    from forwarder.database.sessions import Connection

_CONDITIONS = {
    "INSERT": ("true", "NEW.n % 2 = 0", "NEW.g = 1"),
    "UPDATE": ("true", "NEW.n % 2 = 0", "NEW.g <> OLD.g", "OLD.n < 5"),
    "DELETE": ("true", "OLD.n % 2 = 0", "OLD.g = 1"),
}
# What a trigger does; {row} is the row that it fires for, {key} are the key's other columns. Some end in an error that is caught.
_ACTIONS = (
    "UPDATE item SET n = n + 1 WHERE g = {row}.g AND id <> {row}.id",
    "UPDATE item SET n = n + 10 WHERE id = {row}.id",
    "UPDATE item SET n = n + 1 WHERE id = {row}.id - 1",
    "UPDATE item SET n = n + 1 WHERE id = {row}.id + 1",
    "UPDATE item SET g = 1 - g WHERE id = ({row}.id * 7 + 3) % 6",
    "DELETE FROM item WHERE id = {row}.id + 1",
    "DELETE FROM item WHERE id = {row}.id",
    "DELETE FROM item WHERE g = {row}.g AND n > 20",
    "INSERT INTO item VALUES ({row}.id, {row}.g, 0) ON CONFLICT DO NOTHING",
    "INSERT INTO item VALUES (({row}.id + 1) % 6, {row}.g, 7) ON CONFLICT DO NOTHING",
    "INSERT INTO item VALUES ({row}.id, 0, 3) ON CONFLICT (id{key}) DO UPDATE SET n = item.n + 100",
    "UPDATE item SET id = {row}.id + 1 WHERE id = {row}.id AND NOT EXISTS (SELECT FROM item WHERE id = {row}.id + 1)",
    "BEGIN UPDATE item SET n = n + 1 WHERE id = {row}.id; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END",
    (
        "BEGIN DELETE FROM item WHERE id = {row}.id + 2; IF {row}.n % 3 = 0 THEN RAISE division_by_zero; END IF;"
        " EXCEPTION WHEN division_by_zero THEN NULL; END"
    ),
    "PERFORM FROM item WHERE id = {row}.id FOR UPDATE",
    "PERFORM FROM item FOR SHARE",
    "DELETE FROM item WHERE g = {row}.g AND id <> {row}.id",
    "DELETE FROM item WHERE id > {row}.id AND n <= {row}.n",
    "DELETE FROM item WHERE id = {row}.id; INSERT INTO item VALUES ({row}.id, 1 - {row}.g, 1) ON CONFLICT DO NOTHING",
    (
        "BEGIN DELETE FROM item WHERE id = {row}.id; INSERT INTO item VALUES ({row}.id, {row}.g, 1) ON CONFLICT DO NOTHING;"
        " RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END"
    ),
    (
        "INSERT INTO item VALUES ({row}.id, {row}.g, 1) ON CONFLICT DO NOTHING; DELETE FROM item WHERE id = {row}.id;"
        " INSERT INTO item VALUES ({row}.id, {row}.g, 2) ON CONFLICT DO NOTHING"
    ),
    "UPDATE item SET id = 5 - id WHERE id = {row}.id AND NOT EXISTS (SELECT FROM item AS other WHERE other.id = 5 - {row}.id)",
)
_MERGING_ACTION = (
    "MERGE INTO item USING (SELECT {row}.id AS i) AS wanted ON item.id = wanted.i"
    " WHEN MATCHED AND item.n < 50 THEN UPDATE SET n = item.n + 3 WHEN MATCHED THEN DELETE"
    " WHEN NOT MATCHED THEN INSERT VALUES (wanted.i, 0, 5)"
)
_STATEMENTS = (
    "INSERT INTO item SELECT i, i % 2, i FROM generate_series({a}, {b}) AS i ON CONFLICT DO NOTHING",
    "INSERT INTO item SELECT i, i % 2, i FROM generate_series({a}, {b}) AS i ON CONFLICT (id{key}) DO UPDATE SET n = item.n + 1",
    "UPDATE item SET n = n + 1",
    "UPDATE item SET n = n + 1 WHERE g = {g}",
    "UPDATE item SET n = n + 1, g = 1 - g WHERE id >= {a}",
    "UPDATE item SET n = n + 1 WHERE id = {a}",
    "UPDATE item SET g = 1 - g WHERE id = {a}",
    "UPDATE item SET n = bump(id) WHERE id <= {b}",
    "UPDATE item SET id = id + 10 WHERE id = {a} AND NOT EXISTS (SELECT FROM item WHERE id = {a} + 10)",
    "DELETE FROM item WHERE id = {a}",
    "DELETE FROM item WHERE g = {g}",
    "DELETE FROM item WHERE id BETWEEN {a} AND {b}",
    "WITH gone AS (DELETE FROM item WHERE id = {a} RETURNING *) UPDATE item SET n = n + 1 WHERE id = {b}",
    "WITH gone AS (DELETE FROM item WHERE g = {g} RETURNING *) INSERT INTO item SELECT id, g, n + 1 FROM gone",
    "UPDATE item SET g = 1 - g",
    "DELETE FROM item WHERE id = {a}; INSERT INTO item VALUES ({a}, {g}, 1) ON CONFLICT DO NOTHING",
    "INSERT INTO item VALUES ({a}, {g}, 1), ({b}, {g}, 2) ON CONFLICT DO NOTHING; UPDATE item SET n = n + 1",
    "SET CONSTRAINTS ALL IMMEDIATE",
)
_MERGING_STATEMENT = (
    "MERGE INTO item USING (SELECT i FROM generate_series({a}, {b}) AS i) AS wanted ON item.id = wanted.i AND item.g = {g}"
    " WHEN MATCHED AND item.n % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = item.n + 1"
    " WHEN NOT MATCHED THEN INSERT VALUES (wanted.i, {g}, 5)"
)
# Changes another row of the statement that calls it.
_BUMP = """
    CREATE SEQUENCE public.turn;
    CREATE FUNCTION public.bump(number integer) RETURNS integer LANGUAGE plpgsql AS
    $$ BEGIN UPDATE item SET n = n + 1 WHERE id = number - 1; RETURN number; END $$
"""
_TIMINGS = (("TRIGGER", "BEFORE", ""), ("TRIGGER", "AFTER", ""), ("TRIGGER", "AFTER", ""))
_DEFERRED = ("CONSTRAINT TRIGGER", "AFTER", "DEFERRABLE INITIALLY DEFERRED")
# PostgreSQL's own objections to what a random program may do.
_OBJECTIONS = (
    "already modified",
    "already updated",
    "duplicate key",
    "second time",
    "moved to another",
    "out of range",
    "tuple to be",
)


def programs(*, usual: int, at_length: int) -> pytest.MarkDecorator:
    """Parametrize a test by the ``seeds`` of so many programs in `make test`, and of as many more as are run under the mark ``long``."""
    first, step = range(usual), 20
    others = (range(start, min(start + step, at_length)) for start in range(usual, at_length, step))
    long = [pytest.param(seeds, marks=pytest.mark.long) for seeds in others]
    return pytest.mark.parametrize("seeds", [first, *long], ids=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """Statements that a client sends one by one, or as one block of code."""

    statements: Sequence[str]
    is_one_message: bool

    @property
    def messages(self) -> Sequence[str]:
        """What the client sends."""
        if not self.is_one_message:
            return self.statements
        known = " OR ".join(f"SQLERRM LIKE '%{objection}%'" for objection in _OBJECTIONS)
        blocks = (
            f"BEGIN {statement}; EXCEPTION WHEN OTHERS THEN IF NOT ({known}) THEN RAISE; END IF; END;"
            for statement in self.statements
        )
        return (f"DO $do$ BEGIN {' '.join(blocks)} END $do$",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A table ``item``, triggers on it, and transactions of statements; the same for the same seed."""

    seed: int
    is_partitioned: bool
    before: BeforeImage
    triggers: Sequence[str]
    transactions: Sequence[Transaction]

    @classmethod
    def of(cls, seed: int, *, has_merge: bool) -> Program:
        """The program of a seed, for a server that knows MERGE or does not."""
        choice = random.Random(seed)
        is_partitioned = choice.random() < 0.2
        key = ", g" if is_partitioned else ""
        before: BeforeImage = choice.choice(("full", "full", "none"))
        actions = (*_ACTIONS, _MERGING_ACTION) if has_merge else _ACTIONS
        statements = (*_STATEMENTS, _MERGING_STATEMENT) if has_merge else _STATEMENTS
        triggers = [_trigger(choice, number, actions, key) for number in range(choice.randint(1, 4))]
        transactions = [
            Transaction(
                statements=[_statement(choice, statements, key) for _ in range(choice.randint(1, 4))],
                is_one_message=choice.random() < 0.5,
            )
            for _ in range(choice.randint(1, 4))
        ]
        return cls(
            seed=seed, is_partitioned=is_partitioned, before=before, triggers=triggers, transactions=transactions
        )

    @property
    def table(self) -> Sequence[str]:
        """The statements that create the table."""
        if not self.is_partitioned:
            return ("CREATE TABLE public.item (id integer PRIMARY KEY, g integer, n integer)", _BUMP)
        return (
            "CREATE TABLE public.item (id integer, g integer, n integer, PRIMARY KEY (id, g)) PARTITION BY LIST (g)",
            "CREATE TABLE public.item_0 PARTITION OF public.item FOR VALUES IN (0)",
            "CREATE TABLE public.item_1 PARTITION OF public.item FOR VALUES IN (1)",
            _BUMP,
        )

    async def run(self, connection: Connection) -> None:
        """Run the transactions. A statement that PostgreSQL objects to is rolled back to a savepoint, or with its transaction, which may run
        triggers in the end."""
        for transaction in self.transactions:
            with objections_ignored():
                async with connection.transaction():
                    for message in transaction.messages:
                        with objections_ignored():
                            async with connection.transaction():
                                await connection.execute(message)


@contextmanager
def objections_ignored() -> Iterator[None]:
    """Go on behind the block where PostgreSQL objects to what a random program does."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if not any(objection in str(error) for objection in _OBJECTIONS):
            raise


def _trigger(choice: random.Random, number: int, actions: Sequence[str], key: str) -> str:
    """A function, and a trigger that runs it: before ours or after ours by its name, or when the transaction ends, and only so deep."""
    operation = choice.choice(("INSERT", "UPDATE", "DELETE"))
    row = "OLD" if operation == "DELETE" else "NEW"
    name = choice.choice(("!", "5", "zz")) + str(number)
    action = choice.choice(actions).format(row=row, key=key)
    condition = choice.choice(_CONDITIONS[operation])
    kind, when, timing = choice.choice((*_TIMINGS, *_TIMINGS, _DEFERRED))
    if timing:
        # What runs when the transaction ends is at no depth. This ends it.
        condition += " AND nextval('turn') < 50"
    return (
        f'CREATE FUNCTION public."do{name}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN'
        f" IF pg_trigger_depth() < {choice.randint(2, 4)} AND {condition} THEN {action}; END IF; RETURN {row}; END $$;"
        f' CREATE {kind} "{name}" {when} {operation} ON public.item {timing} FOR EACH ROW EXECUTE FUNCTION public."do{name}"()'
    )


def _statement(choice: random.Random, statements: Sequence[str], key: str) -> str:
    first = choice.randint(0, 5)
    return choice.choice(statements).format(a=first, b=choice.randint(first, 6), g=choice.randint(0, 1), key=key)
