"""The tables of each sink, and the state of each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from forwarder.capture.selection import Pattern
from forwarder.errors import Misconfigured
from forwarder.status.document import Table, TableState
from forwarder.status.facts import Catalogue, TableFacts
from forwarder.status.lag import percent
from forwarder.store.loads import Load
from forwarder.store.statistics import TableStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What is known of all of them."""

    catalogue: Catalogue
    paused_ids: Collection[int] = ()
    loads: Sequence[Load] = ()

    def of_sinks(self, patterns: Mapping[str, Sequence[str]]) -> Iterator[Table]:
        """By sink the tables that it is for, and those of which it was told something.

        ``patterns``: of each sink; none: it is for all tables.
        """
        loading = {(load.sink, load.table_id): load for load in self.loads if not load.state.is_final}
        counted = {(one.sink, one.table_id): one for one in self.catalogue.statistics}
        known = {table.id for table in self.catalogue.tables}
        for sink, texts in patterns.items():
            wants = _filter(texts)
            for table in self.catalogue.tables:
                found = counted.get((sink, table.id))
                if found or (table.is_captured and wants(table)):
                    state, detail = self._state(table, loading.get((sink, table.id)))
                    yield _table(sink, table.qualified_name, state, detail, found)
            # Of forwarder.emit(), behind which there is no table.
            for (of, number), events in counted.items():
                if of == sink and number not in known:
                    yield _table(sink, events.table, "captured", "", events)

    def _state(self, table: TableFacts, load: Load | None) -> tuple[TableState, str]:
        if not table.is_captured:
            return "removed", "it is captured no longer"
        if table.id in self.paused_ids:
            return "paused", "the outbox is full, and changes are missed; see which sink is late"
        drift = self.catalogue.drift.get(table.id)
        if drift and table.id in self.catalogue.missed:
            return "drifted", f"{drift}; run `forwarder migrate`, and compare with what the stream has"
        if gap := self.catalogue.gaps.get(table.qualified_name):
            return "gap", f"{gap}; compare what consumers hold: forwarder verify {table.qualified_name}"
        if load:
            return "loading", f"{load.state}, {percent(load)}"
        return "captured", f"{drift}; run `forwarder migrate`" if drift else ""


class TableList:
    """Keeps the list until something in it has changed: there may be thousands of tables, and a document every second."""

    def __init__(self) -> None:
        self._made_of: tuple[Tables, Mapping[str, Sequence[str]]] | None = None
        self._list: Sequence[Table] = ()

    def of_sinks(self, tables: Tables, patterns: Mapping[str, Sequence[str]]) -> Sequence[Table]:
        """As ``Tables.of_sinks``."""
        if self._made_of is None or not self._is_of(*self._made_of, tables, patterns):
            self._made_of, self._list = (tables, patterns), [*tables.of_sinks(patterns)]
        return self._list

    def _is_of(
        self, before: Tables, former: Mapping[str, Sequence[str]], tables: Tables, patterns: Mapping[str, Sequence[str]]
    ) -> bool:
        return (
            before.catalogue is tables.catalogue
            and before.paused_ids == tables.paused_ids
            and before.loads == tables.loads
            and former == patterns
        )


def _table(sink: str, name: str, state: TableState, detail: str, counted: TableStatistics | None) -> Table:
    # Nothing is checked of what comes from ourselves: with thousands of tables that would take longer than all else.
    if counted is None:
        return Table.model_construct(sink=sink, table=name, state=state, detail=detail)
    return Table.model_construct(
        sink=sink,
        table=name,
        state=state,
        detail=detail,
        inserts=counted.inserts,
        updates=counted.updates,
        deletes=counted.deletes,
        truncates=counted.truncates,
        reads=counted.reads,
        schema_changes=counted.schema_changes,
        others=counted.others,
        bytes=counted.bytes,
        errors=counted.errors,
        last_change_at=counted.last_change_at,
        last_delivered_at=counted.last_delivered_at,
    )


def _filter(texts: Sequence[str]) -> Callable[[TableFacts], bool]:
    try:
        patterns = [Pattern(text) for text in texts]
    except Misconfigured:
        # Of another release, which knows other patterns.
        patterns = []
    return lambda table: not patterns or any(pattern.matches(table) for pattern in patterns)
