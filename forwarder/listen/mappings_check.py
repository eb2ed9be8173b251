"""Warns of captured tables that the mapping file of the settings does not fit: `forwarder migrate` refuses such a file, and it may not have seen it.

1. The file was changed, and the listener started again without `migrate`.
2. A table got a column, or a table came, after `migrate` had looked: at the next start, or with the first change that shows it.

A sink goes on all the same: what has come in the night may not stop it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import msgspec

from forwarder.config.table_mappings.columns import MappedTable
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Misconfigured
from forwarder.events import CapturedTable

# So many problems have a line each.
MOST_TOLD = 10

_REMEDY = "records may be wrong; correct the file until `forwarder migrate --plan` takes it, run `forwarder migrate`, and start the listener again"


class _Named(msgspec.Struct):
    name: str


_COLUMNS = msgspec.json.Decoder(tuple[_Named, ...])

logger = logging.getLogger(__name__)


class MappingsCheck:
    """What was told of one file since the process started."""

    def __init__(self, mappings: TableMappings) -> None:
        """The rules as they were read, of which contradictory ones are an error."""
        self._mappings = mappings
        self._told: set[str] = set()

    async def look(self, connection: Connection, tables: Iterable[CapturedTable]) -> None:
        """Warn of what does not fit these tables, unless that was told.

        Raises:
            Unavailable: the database does not answer.
        """
        named = {table.id: table for table in tables if not table.is_of_events}
        with database_errors("cannot read the columns of captured tables"):
            rows = await connection.fetch(query("columns"), list(named))
        columns = {id: tuple(column.name for column in _COLUMNS.decode(found)) for id, found in rows}
        mapped = [
            MappedTable(schema=table.schema, name=table.name, columns=columns[id])
            for id, table in named.items()
            # Of a table that is captured no more, no columns are found.
            if id in columns and self._mappings.selects(table.schema, table.name)
        ]
        new = [problem for problem in _problems(self._mappings, mapped) if problem not in self._told]
        self._told.update(new)
        self._warn(new)

    def tell(self, problem: str) -> None:
        """Warn of what a sink has met, unless that was told."""
        if problem not in self._told:
            self._told.add(problem)
            self._warn_of(problem)

    def _warn(self, problems: list[str]) -> None:
        for problem in problems[:MOST_TOLD]:
            self._warn_of(problem)
        if len(problems) > MOST_TOLD:
            self._warn_of(f"{len(problems) - MOST_TOLD} more tables")

    def _warn_of(self, what: str) -> None:
        logger.warning(
            "the table mappings do not fit what is captured",
            extra={"file": self._mappings.source, "what": what, "remedy": _REMEDY},
        )


def _problems(mappings: TableMappings, tables: list[MappedTable]) -> Iterator[str]:
    """What `forwarder migrate` would refuse of the rules about records."""
    for table in tables:
        try:
            mappings.require_sound(table)
        except Misconfigured as error:
            yield str(error)
    try:
        mappings.require_distinct(tables)
    except Misconfigured as error:
        yield str(error).removeprefix(f"{mappings.source}: ")
