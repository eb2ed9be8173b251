"""The table mappings of DMS as one rule among those of ``[[table]]``: which tables they choose, and what they say of each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forwarder.capture.filter_conditions import condition
from forwarder.capture.selection import Candidate, Named, Rule
from forwarder.capture.tables import Table
from forwarder.config.suggestions import nearest
from forwarder.config.table_mappings.columns import MappedTable, columns_of
from forwarder.config.table_mappings.rules import SelectionRule, TransformationRule
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.errors import Misconfigured

# What a rule in the database is like that leaves a new table to the listener: patterns of schema and table, and whether it says something.
StoredPatterns = tuple[str, str, bool]

# How many patterns an error shows.
_SHOWN_LOCATORS = 3
_OF_COLUMNS = ("remove-column", "include-column", "data-masking-")


@dataclass(frozen=True, slots=True)
class MappedTables:
    """The tables that the selection rules of a file are for, as ``Pattern`` is for those of one pattern."""

    mappings: TableMappings

    @property
    def text(self) -> str:
        """The file's name."""
        return self.mappings.source

    @property
    def is_exact(self) -> bool:
        """It is for several tables."""
        return False

    def matches(self, table: Named) -> bool:
        """Whether the table is captured by these rules."""
        return self.mappings.selects(table.schema, table.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRule(Rule):
    """All rules of a file. What they say of a table depends on its columns."""

    mappings: TableMappings

    def says(self, table: Candidate) -> Mapping[str, Any]:
        """The options of a table: its columns, and the rows that meet the filters.

        Raises:
            Misconfigured: rules contradict each other, or do not fit the table.
        """
        try:
            return self._options(mapped(table))
        except Misconfigured as error:
            raise Misconfigured(f"{self.mappings.source}: {error}") from None

    def require_match(self, tables: Sequence[Candidate]) -> None:
        """As ``Rule.require_match``."""
        if not any(map(self.match.matches, tables)):
            locators = [
                f"{found.schema_name}.{found.table_name}"
                for found in (rule.object_locator for rule in self.mappings.includes.rules)
            ]
            more = ", …" if len(locators) > _SHOWN_LOCATORS else ""
            raise Misconfigured(
                f"{self.mappings.source} selects no table that there is; its rules are for {', '.join(locators[:_SHOWN_LOCATORS])}{more}; case counts"
            )

    def _options(self, table: MappedTable) -> dict[str, Any]:
        columns = columns_of(self.mappings.transforming(table.schema, table.name), table)
        selection = self.mappings.selecting(table.schema, table.name)
        _require_columns(selection, table)
        # So that the listener need not find it out from a record.
        self.mappings.require_sound(table)
        return {
            **({"columns": columns} if columns else {}),
            **({"where": condition(selection.filters)} if selection.filters else {}),
        }

    def stored(self) -> Iterator[StoredPatterns]:
        """What the database is to know of these rules, to capture a plain table at its creation and leave the others to the listener."""
        for rule in self.mappings.rules:
            if isinstance(rule, SelectionRule):
                locator = rule.object_locator
                says = rule.rule_action == "exclude" or bool(rule.filters)
                yield _anchored(locator.schema_name.expression), _anchored(locator.table_name.expression), says
            elif isinstance(rule, TransformationRule) and rule.rule_action.startswith(_OF_COLUMNS):
                table = rule.object_locator.table_name
                yield (
                    _anchored(rule.object_locator.schema_name.expression),
                    _anchored(table.expression if table else ".*"),
                    True,
                )


def mapping_rule(mappings: TableMappings) -> MappingRule:
    """The rule that is made of a file."""
    return MappingRule(match=MappedTables(mappings), mappings=mappings)


def mappings_of(rules: Sequence[Rule]) -> TableMappings | None:
    """The file that one of the rules is made of; None if there is none."""
    return next((rule.mappings for rule in rules if isinstance(rule, MappingRule)), None)


def mapped(table: Candidate) -> MappedTable:
    """The table as the mappings know one. Of a table that was only looked for, the columns are not known."""
    if not isinstance(table, Table):
        return MappedTable(schema=table.schema, name=table.name)
    return MappedTable(
        schema=table.schema,
        name=table.name,
        columns=tuple(table.columns[attnum] for attnum in sorted(table.columns)),
        key=tuple(table.columns[attnum] for attnum in table.key),
        texts=frozenset(table.columns[attnum] for attnum in table.texts),
    )


def _require_columns(selection: SelectionRule, table: MappedTable) -> None:
    for name in dict.fromkeys(one.column_name for one in selection.filters):
        if table.columns and name not in table.columns:
            raise Misconfigured(
                f"rule-id {selection.rule_id} filters by column {name!r}, which {table} does not have; {nearest(name, table.columns)}"
            )


def _anchored(expression: str) -> str:
    return f"^{expression}$"
