"""Chooses the tables to capture: those that match the rules, which are names and globs. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar

from forwarder.errors import Misconfigured

DEFAULT_SCHEMA = "public"
# How many names an error shows when none of them is like the one that is not found.
_SHOWN_NAMES = 8

_QUOTED = r'"(?:[^"]|"")+"'
_PART = rf'{_QUOTED}|[^".]+'
_PATTERN = re.compile(rf"(?:({_PART})\.)?({_PART})")


class Named(Protocol):
    """Anything with a schema and a name, which a pattern can match."""

    @property
    def schema(self) -> str: ...
    @property
    def name(self) -> str: ...


class Candidate(Named, Protocol):
    """A table as the selection sees it. ``ancestors`` are the partitioned tables that it is a partition of."""

    @property
    def relation(self) -> int: ...
    @property
    def ancestors(self) -> Sequence[int]: ...


class Matcher(Protocol):
    """What a rule is for."""

    @property
    def text(self) -> str:
        """What it is called in messages."""

    @property
    def is_exact(self) -> bool:
        """Whether it is the name of one table."""

    def matches(self, table: Named) -> bool:
        """Whether it names this table."""


_Table = TypeVar("_Table", bound=Candidate)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A table's name, or a glob.

    ``orders`` is in schema public; ``*`` and ``?`` stand for characters of a schema's or a table's name, but never for the
    dot between them. Case counts. What is in double quotes is taken literally: ``"my.schema"."Order Items"``.

    Raises:
        Misconfigured: it is not a name or a glob.
    """

    text: str
    _schema: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _table: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        match = _PATTERN.fullmatch(self.text)
        if match is None:
            raise Misconfigured(
                f"table pattern {self.text!r} is malformed; write TABLE or SCHEMA.TABLE, with * and ? as wildcards, and"
                ' "double quotes" around a name that holds a dot or a wildcard'
            )
        object.__setattr__(self, "_schema", _glob(match[1] or DEFAULT_SCHEMA))
        object.__setattr__(self, "_table", _glob(match[2]))

    @property
    def is_exact(self) -> bool:
        """Whether it is the name of one table."""
        return not re.search(r"[*?]", re.sub(_QUOTED, "", self.text))

    @property
    def expressions(self) -> tuple[str, str]:
        """The same as regular expressions of PostgreSQL: of the schema's name, and of the table's."""
        match = _PATTERN.fullmatch(self.text)
        assert match is not None
        return _expression(match[1] or DEFAULT_SCHEMA), _expression(match[2])

    def matches(self, table: Named) -> bool:
        """Whether it names this table."""
        return bool(self._schema.fullmatch(table.schema) and self._table.fullmatch(table.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Tables that match ``match`` and none of ``exclude`` are captured. ``options``: what the rule says of how; None: nothing."""

    match: Matcher
    exclude: tuple[Pattern, ...] = ()
    options: Mapping[str, Any] | None = None

    def says(self, table: Candidate) -> Mapping[str, Any] | None:
        """What the rule says of how a table is captured that it chooses; None: nothing."""
        return self.options

    def require_match(self, tables: Sequence[Candidate]) -> None:
        """See that it chooses some table, or would without ``exclude``.

        Raises:
            Misconfigured: it does not.
        """
        if not any(map(self.match.matches, tables)):
            raise Misconfigured(f"table pattern {self.match.text!r} matches no table; {_known(self.match, tables)}")

    def applies(self, table: Named) -> bool:
        """Whether this rule chooses the table."""
        return self.match.matches(table) and not _any_matches(self.exclude, table)


def choose(tables: Sequence[_Table], rules: Sequence[Rule], *, exclude: Sequence[Pattern] = ()) -> list[_Table]:
    """The chosen tables, in order of schema and name.

    ``exclude`` wins over every rule. A partition of a chosen table is captured with it, and so not chosen by itself.

    Raises:
        Misconfigured: a rule matches no table at all, or excludes a partition of a table that is chosen.
    """
    for rule in rules:
        rule.require_match(tables)
    chosen = {
        table.relation: rule
        for table in tables
        for rule in rules
        if rule.applies(table) and not _any_matches(exclude, table)
    }
    _refuse_excluded_partitions(tables, chosen, exclude)
    return [
        table
        for table in sorted(tables, key=lambda table: (table.schema, table.name))
        if table.relation in chosen and chosen.keys().isdisjoint(table.ancestors)
    ]


def _glob(part: str) -> re.Pattern[str]:
    if part.startswith('"'):
        return re.compile(re.escape(part[1:-1].replace('""', '"')))
    return re.compile(re.escape(part).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _expression(part: str) -> str:
    if part.startswith('"'):
        return "^" + _escaped(part[1:-1].replace('""', '"')) + "$"
    wild = {"*": ".*", "?": "."}
    return "^" + "".join(wild.get(character) or _escaped(character) for character in part) + "$"


def _escaped(text: str) -> str:
    # Before a letter or a digit, a backslash means something else to PostgreSQL.
    return "".join(character if character.isalnum() else f"\\{character}" for character in text)


def _any_matches(patterns: Iterable[Pattern], table: Named) -> bool:
    return any(pattern.matches(table) for pattern in patterns)


def _known(pattern: Matcher, tables: Sequence[Candidate]) -> str:
    """The end of an error: the table most likely meant, or else the schema, or else some names that there are."""
    schema, _, name = pattern.text.rpartition(".")
    # Of tables with one name, the last one stays: that in the schema that was asked for.
    by_name = {
        table.name: f"{table.schema}.{table.name}"
        for table in sorted(tables, key=lambda table: table.schema == (schema or DEFAULT_SCHEMA))
    }
    by_schema = {table.schema: f"{table.schema}.*" for table in tables}
    for wanted, known in ((name, by_name), (schema, by_schema)):
        if near := get_close_matches(wanted.strip('"'), known, n=1):
            return f"did you mean {known[near[0]]!r}?"
    names = sorted(by_name.values())
    shown = [*names[:_SHOWN_NAMES], *(["…"] if len(names) > _SHOWN_NAMES else [])]
    return f"known: {', '.join(shown)}" if shown else "the database has no table that can be captured"


def _refuse_excluded_partitions(
    tables: Sequence[Candidate], chosen: dict[int, Rule], exclude: Sequence[Pattern]
) -> None:
    """Raise if a partition of a chosen table is excluded: the triggers of a partitioned table fire for every partition, so it would not work."""
    for table, rule in _covered(tables, chosen):
        if _any_matches((*exclude, *rule.exclude), table):
            raise Misconfigured(
                f"table {table.schema}.{table.name} is excluded, but it is a partition of a table that is selected: a"
                " partition cannot be left out; exclude the partitioned table, or do not exclude its partition"
            )


def _covered(tables: Sequence[Candidate], chosen: dict[int, Rule]) -> Iterator[tuple[Candidate, Rule]]:
    """Each partition whose ancestors are chosen, with the rule that chose them."""
    for table in tables:
        for ancestor in table.ancestors:
            if ancestor in chosen:
                yield table, chosen[ancestor]
