"""Which tables a task of DMS loads before their changes, as rules of ``[[table]]``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.config.dms_import.description import Task
from forwarder.config.dms_import.findings import Findings
from forwarder.config.table_mappings.rules import AnyRule, SelectionRule

FULL_LOAD = "full-load"
WITH_LOAD = (FULL_LOAD, "full-load-and-cdc")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTables:
    """A ``[[table]]`` with ``load = "initial"``. Like the selection rule that it is made of it has the table captured as well."""

    match: str
    exclude: tuple[str, ...]


def loaded_tables(task: Task | None, rules: Sequence[AnyRule], findings: Findings) -> Sequence[LoadedTables]:
    """One for each selection rule that chooses tables, if the task loads any. What cannot be said in ``[[table]]`` is lacking."""
    if task is None or task.migration_type not in WITH_LOAD:
        return ()
    selections = [rule for rule in rules if isinstance(rule, SelectionRule)]
    excluded = [_pattern(rule) for rule in selections if rule.rule_action == "exclude"]
    included = [(rule, _pattern(rule)) for rule in selections if rule.rule_action != "exclude"]
    for rule, pattern in included:
        if pattern is None or None in excluded:
            locator = rule.object_locator
            findings.lack(
                f"rows of {locator.schema_name}.{locator.table_name}, which rule-id {rule.rule_id} selects, are not loaded by themselves:"
                " [[table]] knows no choice of characters, which this rule has or one that excludes; run `forwarder load`, or name the tables"
            )
    if None in excluded:
        return ()
    exclude = tuple(pattern for pattern in excluded if pattern)
    return [LoadedTables(match=pattern, exclude=exclude) for _, pattern in included if pattern]


def _pattern(rule: SelectionRule) -> str | None:
    schema, table = rule.object_locator.schema_name.glob, rule.object_locator.table_name.glob
    return f"{schema}.{table}" if schema and table else None
