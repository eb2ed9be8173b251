"""The source filters of a DMS selection rule as a condition of triggers, in SQL. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forwarder.config.table_mappings.rules import Filter, FilterCondition
from forwarder.database.quoting import identifier, literal

_OPERATORS: Mapping[str, str] = {"eq": "=", "noteq": "<>", "gte": ">=", "lte": "<=", "ste": "<="}
_WORDS: Mapping[str, str] = {
    "between": "BETWEEN",
    "notbetween": "NOT BETWEEN",
    "null": "IS NULL",
    "notnull": "IS NOT NULL",
}


def condition(filters: Sequence[Filter]) -> str:
    """What holds of ``NEW`` where the filters do: all of them, of each one condition at least.

    A value is a constant without a type, so PostgreSQL reads it as one of the column's type: '100' is a number beside a number.
    """
    return " AND ".join(
        f"({' OR '.join(_comparison(one.column_name, found) for found in one.filter_conditions)})" for one in filters
    )


def _comparison(column: str, found: FilterCondition) -> str:
    subject = f"NEW.{identifier(column)}"
    if operator := _OPERATORS.get(found.filter_operator):
        return f"{subject} {operator} {literal(found.value or '')}"
    words = f"{subject} {_WORDS[found.filter_operator]}"
    if found.start_value is None or found.end_value is None:
        return words
    return f"{words} {literal(found.start_value)} AND {literal(found.end_value)}"
