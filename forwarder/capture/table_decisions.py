"""Which tables a selection has captured, by which options, and what becomes of the triggers of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forwarder.capture.catalog import read_registry, read_tables
from forwarder.capture.fit import fit
from forwarder.capture.generated_warnings import generated_warnings
from forwarder.capture.image_warnings import image_warnings
from forwarder.capture.key_warnings import key_warnings
from forwarder.capture.mapping_rule import mapped, mappings_of
from forwarder.capture.selection import Pattern, Rule, choose
from forwarder.capture.tables import Table, held_back, registered, unnamed, with_unnamed
from forwarder.capture.trigger_plan import Decision, plan
from forwarder.capture.unfit import unfit
from forwarder.config.table_mappings import words
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.sessions import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDecisions:
    """What has to change in the tables, and what is said of them; ``plan.Difference`` has the members of the same names."""

    # The tables that are captured when the decisions are carried out, as found.
    tables: tuple[Table, ...]
    # The oids of the tables that will be captured, or stay so although their rules do not fit them.
    captured: tuple[int, ...]
    decisions: tuple[Decision, ...]
    # Warnings, one line each: patterns without a table yet, and captured tables that do not fit their options any more.
    misfits: tuple[str, ...]
    # Warnings, one line each: of what will be captured, but not as well as it is promised.
    shortcomings: tuple[str, ...]
    unnamed: tuple[str, ...]
    options: Mapping[str, Sequence[str]]
    idle_rules: tuple[str, ...]
    unfit: Mapping[str, str]


async def decide(
    connection: Connection,
    rules: Sequence[Rule],
    *,
    exclude: Sequence[Pattern],
    described: Sequence[Rule],
    remove: bool,
    may_come_later: bool,
) -> TableDecisions:
    """Compare the tables and their triggers with what the rules select. Changes nothing itself.

    ``described``: rules that say how the selected tables are captured.
    ``remove``: tables that are captured and not selected lose their triggers.
    ``may_come_later``: a rule may select no table, since one that it is for is captured by itself when it is created.

    Raises:
        Misconfigured: a rule fits none of its tables.
        Unavailable: the database does not answer.
    """
    tables, registry = await read_tables(connection), await read_registry(connection)
    idle = [rule for rule in rules if may_come_later and not any(map(rule.match.matches, tables))]
    matching = [rule for rule in rules if rule not in idle]
    selected = choose(tables, matching, exclude=exclude)
    found = await fit(connection, selected, described, tables, registry)
    settled = found.settled
    fitting = held_back(tables, registry, found.unfit)
    chosen = {relation: one.options for relation, one in settled.items()}
    desired = chosen if remove else with_unnamed(*fitting, chosen)
    mappings = mappings_of(described)
    left = unfit(*fitting, {relation: desired[relation] for relation in desired.keys() - chosen.keys()}, mappings)
    held = found.unfit.keys() & registered(tables, registry).keys()
    of_mappings, idle_rules = _in_words(mappings, [table for table in tables if table.relation in settled])
    kept = tuple(table for table in tables if table.relation in desired)
    return TableDecisions(
        tables=kept,
        captured=(*desired, *held),
        decisions=tuple(plan(*fitting, {one: desired[one] for one in desired if one not in left}, prune=remove)),
        misfits=(*(f"table pattern {rule.match.text!r} matches no table yet" for rule in idle), *left.values()),
        shortcomings=(
            *key_warnings(kept),
            *generated_warnings((table, desired[table.relation]) for table in kept),
            *image_warnings(kept),
        ),
        unnamed=() if remove or not rules else _topmost(unnamed(*fitting, chosen)),
        options={
            table.quoted: [*of_mappings.get(table.relation, ()), *settled[table.relation].words]
            for table in tables
            if table.relation in settled
        },
        idle_rules=idle_rules,
        unfit={table.quoted: found.unfit[table.relation] for table in selected if table.relation in found.unfit},
    )


def _in_words(
    mappings: TableMappings | None, chosen: Sequence[Table]
) -> tuple[Mapping[int, Sequence[str]], tuple[str, ...]]:
    """By table, what the rules of a mapping file made of it; and of the other rules, that they made nothing of any.

    Raises:
        Misconfigured: the rules do not go together for these tables.
    """
    if mappings is None:
        return {}, ()
    tables = {table.relation: mapped(table) for table in chosen if mappings.selects(table.schema, table.name)}
    mappings.require_distinct(tables.values())
    lines = {relation: list(words.of_table(mappings, table)) for relation, table in tables.items()}
    return lines, tuple(words.of_others(mappings, tables.values()))


def _topmost(tables: Sequence[Table]) -> tuple[str, ...]:
    """The names of those that are no partitions of others among them: what is said of a table holds for its partitions."""
    relations = {table.relation for table in tables}
    return tuple(table.quoted for table in tables if relations.isdisjoint(table.ancestors))
