"""Random tables with random triggers, and random statements on them: what an application may do to its rows, at any depth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from forwarder.database import Connection
    from forwarder.selection import BeforeImage

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
)
# Changes another row of the statement that calls it.
_BUMP = """
    CREATE FUNCTION public.bump(number integer) RETURNS integer LANGUAGE plpgsql AS
    $$ BEGIN UPDATE item SET n = n + 1 WHERE id = number - 1; RETURN number; END $$
"""
# PostgreSQL's own objections to what a random program may do.
_OBJECTIONS = (
    "already modified",
    "already updated",
    "duplicate key",
    "second time",
    "moved to another",
    "out of range",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A table ``item``, triggers on it, and transactions of statements; the same for the same seed."""

    seed: int
    is_partitioned: bool
    before: BeforeImage
    triggers: Sequence[str]
    transactions: Sequence[Sequence[str]] = field(default_factory=list)

    @classmethod
    def of(cls, seed: int) -> Program:
        choice = random.Random(seed)
        is_partitioned = choice.random() < 0.2
        key = ", g" if is_partitioned else ""
        before: BeforeImage = choice.choice(("full", "full", "none"))
        triggers = [_trigger(choice, number, key) for number in range(choice.randint(1, 3))]
        transactions = [
            [_statement(choice, key) for _ in range(choice.randint(1, 3))] for _ in range(choice.randint(1, 4))
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
        """Run the transactions. A statement that PostgreSQL objects to is rolled back to a savepoint."""
        for statements in self.transactions:
            async with connection.transaction():
                for statement in statements:
                    try:
                        async with connection.transaction():
                            await connection.execute(statement)
                    except asyncpg.PostgresError as error:
                        if not any(objection in str(error) for objection in _OBJECTIONS):
                            raise


def _trigger(choice: random.Random, number: int, key: str) -> str:
    """A function, and a trigger that runs it: before ours or after ours by its name, and only so deep."""
    operation = choice.choice(("INSERT", "UPDATE", "DELETE"))
    row = "OLD" if operation == "DELETE" else "NEW"
    name = choice.choice(("!", "5", "zz")) + str(number)
    action = choice.choice(_ACTIONS).format(row=row, key=key)
    condition = choice.choice(_CONDITIONS[operation])
    return (
        f'CREATE FUNCTION public."do{name}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN'
        f" IF pg_trigger_depth() < {choice.randint(2, 4)} AND {condition} THEN {action}; END IF; RETURN {row}; END $$;"
        f' CREATE TRIGGER "{name}" {choice.choice(("BEFORE", "AFTER", "AFTER"))} {operation} ON public.item'
        f' FOR EACH ROW EXECUTE FUNCTION public."do{name}"()'
    )


def _statement(choice: random.Random, key: str) -> str:
    first = choice.randint(0, 5)
    return choice.choice(_STATEMENTS).format(a=first, b=choice.randint(first, 6), g=choice.randint(0, 1), key=key)
