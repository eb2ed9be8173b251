"""What a table, its schema and its columns are called in records. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from forwarder.config.table_mappings.precedence import names_exactly, the_one
from forwarder.config.table_mappings.rules import NamingAction, TransformationRule
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
    """The names of one table in records, and the rules by which it gets them."""

    schema: str
    table: str
    of_schema: TransformationRule | None = None
    of_table: TransformationRule | None = None
    of_columns: Sequence[TransformationRule] = ()
    # As SQL has it, for messages.
    original: str = ""

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
        return the_one(
            (
                rule
                for rule in self.of_columns
                if rule.object_locator.column_name and rule.object_locator.column_name.matches(name)
            ),
            is_exact=lambda rule: (
                rule.object_locator.column_name is not None and rule.object_locator.column_name.literal == name
            ),
            says=_says,
            about=f"column {name} of {self.original}",
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
                    f"rule-id {rule.rule_id if rule else ''}: columns {other} and {name} of {self.original} would both be called"
                    f" {self.column(name)}; give one of them another name"
                )


def names_of(rules: Iterable[TransformationRule], schema: str, table: str) -> TableNames:
    """The names of a table, by those of the rules that rename; ``rules`` are for this table.

    Raises:
        Misconfigured: two rules say different things of it.
    """
    naming = [rule for rule in rules if rule.rule_action in _ACTIONS]
    of_schema = the_one(
        (rule for rule in naming if rule.rule_target == "schema"),
        is_exact=lambda rule: rule.object_locator.schema_name.literal == schema,
        says=_says,
        about=f"schema {schema}",
    )
    of_table = the_one(
        (rule for rule in naming if rule.rule_target == "table"),
        is_exact=lambda rule: names_exactly(rule, schema, table),
        says=_says,
        about=f"table {schema}.{table}",
    )
    return TableNames(
        schema=renamed(of_schema, schema) if of_schema else schema,
        table=renamed(of_table, table) if of_table else table,
        of_schema=of_schema,
        of_table=of_table,
        of_columns=tuple(rule for rule in naming if rule.rule_target == "column"),
        original=f"{schema}.{table}",
    )


def _says(rule: TransformationRule) -> object:
    return rule.rule_action, rule.value, rule.old_value
