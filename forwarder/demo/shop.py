"""The sample shop: makes up what its customers do next, as transactions to run. Pure but for chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import count
from random import Random
from typing import Any

from forwarder.database.queries import SQL

CUSTOMERS = 20
HOLD_SECONDS = 1.0
_ROLLED_BACK_SHARE = 0.05
# Orders are worked on while they are young, so that one row often changes several times within a second.
_YOUNG_ORDERS = 200


@dataclass(frozen=True, slots=True)
class Statement:
    """One of ``sql/demo/*.sql``; each but the schema returns the rows that it changed."""

    name: str
    arguments: tuple[Any, ...] = ()

    @property
    def sql(self) -> str:
        return _read(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """Statements that are committed, or rolled back, together; the last one waits for ``hold_seconds``.

    It ends with the first statement that finds nothing to change, such as that of an order that is gone.
    """

    statements: tuple[Statement, ...]
    commits: bool = True
    hold_seconds: float = 0.0


SCHEMA = Statement("schema")


class Shop:
    """Makes up transactions. Some are about an order that is gone, is not committed yet, or never was: they change nothing."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._order_ids = count(1)
        self._orders: list[int] = []

    def opening(self) -> Transaction:
        """The transaction that adds the customers; all others need it."""
        return Transaction(statements=(Statement("add_customers", (CUSTOMERS,)),))

    def next(self) -> Transaction:
        """A short transaction of one to seven rows; some are rolled back."""
        ideas = (self._place_order, self._advance_order, self._discount_order, self._cancel_order, self._reward_some)
        (idea,) = self._random.choices(ideas, weights=(40, 25, 15, 10, 10))
        return Transaction(statements=idea(), commits=self._random.random() >= _ROLLED_BACK_SHARE)

    def next_late(self) -> Transaction:
        """An order that commits a second after its first change, and then changes a customer whom others have changed meanwhile.

        A reader that takes changes in the order of their numbers or their transactions' numbers loses or reverses these.
        """
        return Transaction(statements=self._place_order(), hold_seconds=HOLD_SECONDS)

    def _place_order(self) -> tuple[Statement, ...]:
        order, customer = next(self._order_ids), self._random.randint(1, CUSTOMERS)
        self._orders.append(order)
        return (
            Statement("add_order", (order, customer)),
            Statement("add_lines", (order, self._random.randint(1, 5))),
            Statement("reward_customer", (customer,)),
        )

    def _advance_order(self) -> tuple[Statement, ...]:
        return (Statement("advance_order", (self._an_order(),)),)

    def _discount_order(self) -> tuple[Statement, ...]:
        order = self._an_order()
        return Statement("advance_order", (order,)), Statement("discount_lines", (order,))

    def _cancel_order(self) -> tuple[Statement, ...]:
        order = self._an_order()
        if order in self._orders:
            self._orders.remove(order)
        return (
            Statement("advance_order", (order,)),
            Statement("remove_lines", (order,)),
            Statement("remove_order", (order,)),
        )

    def _reward_some(self) -> tuple[Statement, ...]:
        # In the order of their ids, so that two of these cannot deadlock.
        customers = sorted(self._random.sample(range(1, CUSTOMERS + 1), 5))
        return tuple(Statement("reward_customer", (customer,)) for customer in customers)

    def _an_order(self) -> int:
        return self._random.choice(self._orders[-_YOUNG_ORDERS:] or [0])


@cache
def _read(name: str) -> str:
    return (SQL / "demo" / f"{name}.sql").read_text()
