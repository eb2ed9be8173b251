"""Captured tables that are not captured as they should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forwarder.capture.table_decisions import TableDecisions
from forwarder.capture.tables import Table
from forwarder.capture.trigger_plan import Forget, Install


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What is not as it should be of one table of the registry."""

    registered_id: int
    # As SQL writes it.
    table: str
    reasons: Sequence[str]
    # Only a TRUNCATE of some of its partitions alone would be missed.
    is_of_truncate: bool = False


def drifted(found: TableDecisions) -> Iterator[Drift]:
    """The tables whose triggers are missing, switched off, or other ones than is asked for; and those that are gone."""
    tables = {table.quoted: table for table in found.tables}
    for decision in found.decisions:
        match decision:
            case Install(registered_id=int(number)):
                table = tables.get(decision.table)
                yield Drift(
                    registered_id=number,
                    table=decision.table,
                    reasons=decision.reasons,
                    is_of_truncate=table is not None and lacks_truncate_alone(decision, table),
                )
            case Forget():
                yield Drift(registered_id=decision.registered_id, table=decision.table, reasons=("the table is gone",))


def lacks_truncate_alone(decision: Install, table: Table) -> bool:
    """Whether triggers are missing and nothing else is wrong, and those for rows are on every member: partitions that came later are so."""
    wanted = {trigger.name for trigger in decision.triggers if trigger.is_for_rows}
    found = {(trigger.relation, trigger.name) for trigger in table.triggers}
    on_table = {trigger.name for trigger in table.own_triggers}
    return (
        decision.reasons == ("triggers were missing",)
        and {trigger.name for trigger in decision.triggers} <= on_table
        and all((member.quoted, name) in found for member in table.members for name in wanted)
    )
