"""Which rules are for an object, and which of them counts. Pure.

1. A rule that is written for the object's very name counts before one that matches it by wildcards. Of a column, its own name counts first, then that
   of its table, then that of the schema: ``%.%.email`` before ``public.person.%``, and ``public.person.email`` before both.
2. Two that are alike in this and ask for different things contradict each other: which of them was meant nobody can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Generic, Protocol, TypeVar

from forwarder.config.table_mappings.wildcard import Wildcard, with_blanks
from forwarder.errors import Misconfigured


class Locator(Protocol):
    """Where a rule is for."""

    @property
    def schema_name(self) -> Wildcard: ...
    @property
    def table_name(self) -> Wildcard | None: ...


class Located(Protocol):
    """A rule that is for tables."""

    @property
    def rule_id(self) -> str: ...
    @property
    def object_locator(self) -> Locator: ...


_Rule = TypeVar("_Rule", bound=Located)

# Is told what two rules contradict each other about, and the remedy. If it returns, neither of them counts.
Contradicted = Callable[[str], None]


def refuse(said: str) -> None:
    """Have a contradiction be an error.

    Raises:
        Misconfigured: always.
    """
    raise Misconfigured(said)


@dataclass(frozen=True, slots=True)
class ByTable(Generic[_Rule]):
    """Rules, found by the names of a table without a look at each: there may be ten thousand, and as many tables."""

    rules: Sequence[_Rule]
    # Those for a table's name, by the places of its underscores and by the name without them; each with its place in the file.
    _named: dict[tuple[int, ...], dict[str, list[tuple[int, _Rule]]]] = field(init=False, repr=False, compare=False)
    _others: list[tuple[int, _Rule]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named: dict[tuple[int, ...], dict[str, list[tuple[int, _Rule]]]] = {}
        others: list[tuple[int, _Rule]] = []
        for place, rule in enumerate(self.rules):
            table = rule.object_locator.table_name
            if table is None or table.literal is None or table.blanks is None:
                others.append((place, rule))
            else:
                by_name = named.setdefault(table.blanks, {})
                by_name.setdefault(with_blanks(table.literal, table.blanks), []).append((place, rule))
        object.__setattr__(self, "_named", named)
        object.__setattr__(self, "_others", others)

    def matching(self, schema: str, table: str) -> Sequence[_Rule]:
        """Those that are for this table, in the order of the file."""
        named = (by_name.get(with_blanks(table, blanks), ()) for blanks, by_name in self._named.items())
        candidates = sorted(chain(self._others, *named), key=itemgetter(0))
        return [rule for _, rule in candidates if _matches(rule.object_locator, schema, table)]


def _matches(locator: Locator, schema: str, table: str) -> bool:
    return (locator.table_name is None or locator.table_name.matches(table)) and locator.schema_name.matches(schema)


def rank_of_table(rule: Located, schema: str, table: str) -> tuple[bool, bool]:
    """Whether a rule is written for this table by its name, and by that of its schema."""
    locator = rule.object_locator
    return locator.table_name is not None and locator.table_name.literal == table, locator.schema_name.literal == schema


def names_exactly(rule: Located, schema: str, table: str) -> bool:
    """Whether a rule is written for the very names of this table."""
    return all(rank_of_table(rule, schema, table))


def the_one(
    rules: Iterable[_Rule],
    *,
    rank: Callable[[_Rule], tuple[bool, ...]],
    says: Callable[[_Rule], object],
    about: str,
    contradicted: Contradicted = refuse,
) -> _Rule | None:
    """The rule that counts; None if there is none, or if two contradict each other and ``contradicted`` lets that pass.

    Args:
        rank: which of the names of the object a rule is written for, the most important one first.
        says: what a rule asks for; rules that ask for the same do not contradict each other.
        about: the object, for the message.

    Raises:
        Misconfigured: two contradict each other.
    """
    ranked = [(rank(rule), rule) for rule in rules]
    highest = max((place for place, _ in ranked), default=())
    candidates = [rule for place, rule in ranked if place == highest]
    if other := next((rule for rule in candidates if says(rule) != says(candidates[0])), None):
        ids = f"{candidates[0].rule_id} and {other.rule_id}"
        contradicted(
            f"rule-ids {ids} say different things of {about}; leave one of them out, or name {about} itself in the one that is to count"
        )
        return None
    return candidates[0] if candidates else None
