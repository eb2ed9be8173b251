"""What a table, its schema and its columns are called in records. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from forwarder.config.table_mappings.precedence import Contradicted, rank_of_table, refuse, the_one
from forwarder.config.table_mappings.rules import NamingAction, TransformationRule
from forwarder.config.table_mappings.wildcard import Wildcard
from forwarder.errors import Misconfigured

_ACTIONS = frozenset(get_args(NamingAction))


def is_naming_columns(rule: TransformationRule) -> bool:
    """Whether a rule gives columns other names."""
    return rule.rule_target == "column" and rule.rule_action in _ACTIONS


def renamed(rule: TransformationRule, name: str) -> str:
    """The name as the rule has it. A prefix or a suffix that is not there is not removed."""
    value, old = rule.value or "", rule.old_value or ""
    changes: Mapping[str, Callable[[], str]] = {
        "rename": lambda: value,
        "convert-lowercase": name.lower,
        "convert-uppercase": name.upper,
        "add-prefix": lambda: value + name,
        "remove-prefix": lambda: name.removeprefix(value),
        "replace-prefix": lambda: value + name.removeprefix(old) if name.startswith(old) else name,
        "add-suffix": lambda: name + value,
        "remove-suffix": lambda: name.removesuffix(value),
        "replace-suffix": lambda: name.removesuffix(old) + value if name.endswith(old) else name,
    }
    return changes[rule.rule_action]() or name


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNames:
    """The names of one table in records, and what those of its columns are."""

    schema: str
    table: str
    # What they are in the database.
    of_schema: str
    of_table: str
    # The rules that rename them; None: they keep their names.
    rule_of_schema: TransformationRule | None = None
    rule_of_table: TransformationRule | None = None
    # The rules that rename columns, each with which ones.
    of_columns: Sequence[tuple[TransformationRule, Wildcard]] = ()
    # What becomes of rules that say different things of a column.
    contradicted: Contradicted = refuse

    @property
    def renames_columns(self) -> bool:
        """Whether any column may have another name."""
        return bool(self.of_columns)

    def column(self, name: str) -> str:
        """What a column is called.

        Raises:
            Misconfigured: two rules say different things of it.
        """
        rule = self.rule_of_column(name)
        return renamed(rule, name) if rule else name

    def rule_of_column(self, name: str) -> TransformationRule | None:
        """The rule by which a column is renamed; None if it keeps its name.

        Raises:
            Misconfigured: two rules say different things of it.
        """
        matching = [(rule, column) for rule, column in self.of_columns if column.matches(name)]
        literals = {id(rule): column.literal for rule, column in matching}
        return the_one(
            (rule for rule, _ in matching),
            rank=lambda rule: (literals[id(rule)] == name, *rank_of_table(rule, self.of_schema, self.of_table)),
            says=_says,
            about=f"column {name} of {self.of_schema}.{self.of_table}",
            contradicted=self.contradicted,
        )

    def require_distinct(self, columns: Iterable[str]) -> None:
        """See that no two of these columns get one name.

        Raises:
            Misconfigured: two do.
        """
        taken: dict[str, str] = {}
        for name in columns:
            if (other := taken.setdefault(self.column(name), name)) != name:
                rule = self.rule_of_column(name) or self.rule_of_column(other)
                raise Misconfigured(
                    f"rule-id {rule.rule_id if rule else ''}: columns {other} and {name} of {self.of_schema}.{self.of_table} would both be called"
                    f" {self.column(name)}; give one of them another name"
                )


def names_of(
    rules: Iterable[TransformationRule], schema: str, table: str, *, contradicted: Contradicted = refuse
) -> TableNames:
    """The names of a table, by those of the rules that rename; ``rules`` are for this table.

    Raises:
        Misconfigured: two rules say different things of it.
    """
    naming = [rule for rule in rules if rule.rule_action in _ACTIONS]
    of_schema = the_one(
        (rule for rule in naming if rule.rule_target == "schema"),
        rank=lambda rule: (rule.object_locator.schema_name.literal == schema,),
        says=_says,
        about=f"schema {schema}",
        contradicted=contradicted,
    )
    of_table = the_one(
        (rule for rule in naming if rule.rule_target == "table"),
        rank=lambda rule: rank_of_table(rule, schema, table),
        says=_says,
        about=f"table {schema}.{table}",
        contradicted=contradicted,
    )
    of_columns = [
        (rule, column)
        for rule in naming
        if rule.rule_target == "column" and (column := rule.object_locator.column_name) is not None
    ]
    return TableNames(
        schema=renamed(of_schema, schema) if of_schema else schema,
        table=renamed(of_table, table) if of_table else table,
        of_schema=schema,
        of_table=table,
        rule_of_schema=of_schema,
        rule_of_table=of_table,
        of_columns=of_columns,
        contradicted=contradicted,
    )


def _says(rule: TransformationRule) -> object:
    return rule.rule_action, rule.value, rule.old_value
