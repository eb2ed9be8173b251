"""Finds the options of each selected table, and the tables that the rules do not fit: these are held back, and no other table waits for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forwarder.capture.columns import require_columns
from forwarder.capture.mapping_rule import mappings_of
from forwarder.capture.options import Settled, require_cover, require_own, settle
from forwarder.capture.row_conditions import require_condition
from forwarder.capture.selection import Rule
from forwarder.capture.tables import Registered, Table, registered, rows_of
from forwarder.capture.unfit import require_fit
from forwarder.database.sessions import Connection
from forwarder.errors import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """By oid, the options of the tables that the rules fit; and why they do not fit the others, with the remedy and what becomes of the table."""

    settled: Mapping[int, Settled]
    unfit: Mapping[int, str]


async def fit(
    connection: Connection,
    chosen: Sequence[Table],
    rules: Sequence[Rule],
    tables: Sequence[Table],
    registry: Sequence[Registered],
) -> Fit:
    """Ask the rules about each of the ``chosen`` tables. Those of which no rule says anything keep the options that they have.

    Raises:
        Misconfigured: a rule fits none of its tables.
        Unavailable: the database does not answer.
    """
    for rule in rules:
        _require_tables(rule, chosen, tables)
    mappings = mappings_of(rules)
    standing, rows = registered(tables, registry), rows_of(tables, registry)
    settled: dict[int, Settled] = {}
    unfit: dict[int, str] = {}
    for table in chosen:
        row = rows.get(table.relation)
        try:
            found = settle(table, rules, standing.get(table.relation))
            require_cover(table, row, found)
            require_fit(table, row, found.options, mappings)
            await require_condition(connection, table, found, mappings)
        except Misconfigured as error:
            is_captured = bool(row and row.active)
            until_then = "its capture is left as it is until then" if is_captured else "it is not captured until then"
            unfit[table.relation] = f"{str(error).removeprefix(f'{table.quoted}: ')}; {until_then}"
        else:
            settled[table.relation] = found
    return Fit(settled=settled, unfit=unfit)


def _require_tables(rule: Rule, chosen: Sequence[Table], tables: Sequence[Table]) -> None:
    """See that what a rule says is for some table."""
    require_own(rule, chosen, tables)
    options = rule.options or {}
    require_columns(
        [table for table in chosen if rule.applies(table)],
        {
            **{f"columns.{member}": list(names or ()) for member, names in options.get("columns", {}).items()},
            "only_when": options.get("only_when", []),
        },
        is_exact=rule.match.is_exact,
        pattern=rule.match.text,
    )
