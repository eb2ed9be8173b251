"""What each rule of a mapping file became, in words: for ``forwarder migrate --plan``. Pure.

Every line names the rule:

    rule 1 of mappings.json selects it
    rule 2 of mappings.json leaves out column ssn
    rule 3 of mappings.json calls it crm.clients in records
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from forwarder.config.table_mappings.columns import MappedTable, deciding, matched_columns
from forwarder.config.table_mappings.naming import renamed
from forwarder.config.table_mappings.rules import (
    AnyRule,
    FilterCondition,
    MappingParameters,
    ObjectMappingRule,
    SelectionRule,
    TableSettingsRule,
    TransformationRule,
)
from forwarder.config.table_mappings.table_mappings import TableMappings

_OF_COLUMNS = {
    "remove-column": "leaves out",
    "include-column": "sends only, beside the key,",
    "data-masking-digits-mask": "covers each digit by {value!r} in",
    "data-masking-digits-randomize": "exchanges the digits in",
    "data-masking-hash-mask": "hashes, with the database's salt,",
}
_COMPARISONS = {
    "eq": "is {value}",
    "noteq": "is not {value}",
    "gte": "is at least {value}",
    "lte": "is at most {value}",
    "ste": "is at most {value}",
    "between": "is between {start} and {end}",
    "notbetween": "is not between {start} and {end}",
    "null": "is null",
    "notnull": "is not null",
}
_KEYS = {
    "schema-table": "the names of schema and table",
    "transaction-id": "the transaction's id",
    "primary-key": "the primary key",
    "constant": "{name!r}",
    "attribute-name": "attribute {name}",
}


def of_table(mappings: TableMappings, table: MappedTable) -> Iterator[str]:
    """A line for each rule that is for a captured table."""
    selection = mappings.selecting(table.schema, table.name)
    yield _line(mappings, selection, f"selects it{_filters(selection)}")
    effects = _Effects(mappings, table)
    for rule in mappings.transforming(table.schema, table.name):
        if rule.object_locator.column_name is None or any(matched_columns(rule, table)):
            yield _line(mappings, rule, effects.of(rule) or "gives way to rules that name it")
        elif (said := _OF_COLUMNS.get(rule.rule_action)) and (column := rule.object_locator.column_name.literal):
            yield _line(mappings, rule, f"{said.format(value=rule.value)} column {column}, should the table get one")
    if mapping := mappings.object_mapping_rule(table.schema, table.name):
        yield _line(mappings, mapping, _records(mapping, table))


def of_others(mappings: TableMappings, tables: Iterable[MappedTable]) -> Iterator[str]:
    """A line for each rule that has no effect on any of the captured tables, and why."""
    effective: set[str] = set()
    for table in tables:
        effective.add(mappings.selecting(table.schema, table.name).rule_id)
        effective.update(rule.rule_id for rule in mappings.includes.matching(table.schema, table.name))
        effective.update(rule.rule_id for rule in mappings.object_mappings.matching(table.schema, table.name))
        for rule in mappings.transforming(table.schema, table.name):
            if rule.rule_target != "column" or rule.before_image_def or any(matched_columns(rule, table)):
                effective.add(rule.rule_id)
    for found in mappings.rules:
        if isinstance(found, TableSettingsRule):
            yield _line(
                mappings,
                found,
                "is about how DMS loads a table and cuts large values; nothing is to be done for it here",
            )
        elif isinstance(found, SelectionRule) and found.rule_action == "exclude":
            yield _line(
                mappings, found, f"leaves out {found.object_locator.schema_name}.{found.object_locator.table_name}"
            )
        elif found.rule_id not in effective:
            yield _line(
                mappings,
                found,
                "matches no captured table" if not _has_column(found) else "matches no column of a captured table",
            )


def _line(mappings: TableMappings, rule: AnyRule, said: str) -> str:
    return f"{rule} of {mappings.source} {said}"


def _has_column(rule: AnyRule) -> bool:
    return isinstance(rule, TransformationRule) and rule.object_locator.column_name is not None


def _filters(rule: SelectionRule) -> str:
    texts = [
        " or ".join(f"{found.column_name} {_comparison(one)}" for one in found.filter_conditions)
        for found in rule.filters
    ]
    return f", where {' and '.join(texts)}" if texts else ""


def _comparison(found: FilterCondition) -> str:
    return _COMPARISONS[found.filter_operator].format(value=found.value, start=found.start_value, end=found.end_value)


class _Effects:
    """What the transformations make of one table, where several are for it."""

    def __init__(self, mappings: TableMappings, table: MappedTable) -> None:
        self._table = table
        self._names = mappings.names(table.schema, table.name)
        self._before_image = mappings.before_image_rule(table.schema, table.name)
        self._deciding = deciding(mappings.transforming(table.schema, table.name), table)

    def of(self, rule: TransformationRule) -> str | None:
        """What a rule does in the end; None if others do it all."""
        if defined := rule.before_image_def:
            which = "key column" if defined.column_filter == "pk-only" else "column"
            old_values = f"adds the old value of each {which} as {defined.column_prefix}COLUMN{defined.column_suffix}"
            return old_values if rule is self._before_image else None
        if rule.rule_target == "schema":
            return f"calls its schema {self._names.schema} in records" if rule is self._names.rule_of_schema else None
        if rule.rule_target == "table":
            return f"calls it {self._names.table} in records" if rule is self._names.rule_of_table else None
        if said := _OF_COLUMNS.get(rule.rule_action):
            columns = [name for name, rules in self._deciding.items() if any(rule is found for found in rules)]
            return f"{said.format(value=rule.value)} {_listed(columns)}" if columns else None
        return self._of_names(rule)

    def _of_names(self, rule: TransformationRule) -> str | None:
        columns = [name for name in self._table.columns if self._names.rule_of_column(name) is rule]
        changed = [f"column {name} {renamed(rule, name)}" for name in columns if renamed(rule, name) != name]
        if columns and not changed:
            return "leaves the names of columns as they are"
        return f"calls {', '.join(changed)} in records" if changed else None


def _records(rule: ObjectMappingRule, table: MappedTable) -> str:
    said = rule.mapping_parameters
    parts = [
        "puts all columns of a record into _doc"
        if rule.rule_action == "map-record-to-document"
        else "makes each column a member of a record"
    ]
    if said.exclude_columns:
        parts.append(f"without {_listed(said.exclude_columns)}")
        if kept := [name for name in table.key if name in said.exclude_columns and _goes_by_key(said)]:
            parts.append(f"though partition keys, and partition-key-value, have {_listed(kept)} of the key")
    if said.attribute_mappings:
        parts.append(f"with {', '.join(mapping.name for mapping in said.attribute_mappings)} made of others")
    if rule.target_table_name:
        parts.append(f"under the table's name {rule.target_table_name}")
    in_words = f"{', '.join(parts)}, in records of format dms"
    kind = "constant" if said.partition_key else said.partition_key_type
    if kind is None:
        return in_words
    name = said.partition_key.value if said.partition_key else said.partition_key_name
    return f"{in_words}; its partition key is {_KEYS[kind].format(name=name)}"


def _goes_by_key(said: MappingParameters) -> bool:
    return not said.partition_key and said.partition_key_type in (None, "primary-key", "attribute-name")


def _listed(columns: Iterable[str]) -> str:
    names = list(columns)
    return f"column {names[0]}" if len(names) == 1 else f"columns {', '.join(names)}"
