"""Which captured tables a sink is to have whole before their changes, by ``load = "initial"`` in ``[[table]]``. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from forwarder.capture.selection import Pattern, Rule
from forwarder.config.settings import TableRule
from forwarder.events import CapturedTable
from forwarder.listen.table_filter import table_filter


def initial_tables(
    rules: Sequence[TableRule], sink_tables: Sequence[str]
) -> Callable[[Iterable[CapturedTable]], list[int]]:
    """A function that finds among captured tables those that are to be loaded for a sink, and returns their ids.

    Args:
        rules: those of the settings. Where several that match a table set ``load``, the last one counts.
        sink_tables: the patterns of the sink's setting ``tables``; empty: it is for all tables.

    Raises:
        Misconfigured: a pattern is no name and no glob.
    """
    saying = [
        (Rule(match=Pattern(rule.match), exclude=tuple(map(Pattern, rule.exclude))), rule.load == "initial")
        for rule in rules
        if "load" in rule.model_fields_set
    ]
    wants = table_filter(sink_tables)

    def is_initial(table: CapturedTable) -> bool:
        said = [loads for rule, loads in saying if rule.applies(table)]
        return bool(said and said[-1]) and not table.is_of_events and (wants is None or wants(table))

    return lambda captured: [table.id for table in captured if is_initial(table)]
