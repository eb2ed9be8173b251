"""Warns of stored generated columns that tell what the rules of their table leave out or cover. Pure.

Example: ``ssn`` is excluded, and ``label`` is ``GENERATED ALWAYS AS (ssn || '!') STORED``: its value is sent, unless a rule names it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from forwarder.capture.columns import is_sent_as_it_is
from forwarder.capture.tables import Table
from forwarder.config.table_options import TableOptions


def generated_warnings(captured: Iterable[tuple[Table, TableOptions]]) -> tuple[str, ...]:
    """One line for each such column of the captured tables."""
    return tuple(line for table, options in captured for line in _lines(table, options))


def _lines(table: Table, options: TableOptions) -> Iterator[str]:
    for generated, sources in sorted(table.generated_from.items()):
        covered = [table.columns[source] for source in sources if not is_sent_as_it_is(table, source, options.columns)]
        if covered and is_sent_as_it_is(table, generated, options.columns):
            name = table.columns[generated]
            yield (
                f"column {name} of {table.quoted} is generated from {', '.join(covered)}, which the rules leave out or cover, and is sent as it is:"
                f" leave out or cover {name} too"
            )
