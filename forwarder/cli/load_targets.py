"""Which tables `forwarder load` is about, and for which sinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forwarder.capture.catalog import TableName
from forwarder.capture.selection import Pattern
from forwarder.config.settings import SinkSettings
from forwarder.config.suggestions import nearest
from forwarder.database.sessions import Connection
from forwarder.errors import Misconfigured, Refused
from forwarder.store import load_requests
from forwarder.store.sink_status import sink_names


async def tables_by_sink(
    connection: Connection, sinks: Sequence[SinkSettings], tables: Sequence[TableName], *, names: Sequence[str]
) -> Mapping[str, Sequence[int]]:
    """The sinks that are to be given these tables, each with the ids of those that it is for.

    Args:
        sinks: those of the settings.
        names: the sinks that were asked for; empty: those of the settings, or all that the database knows if these name none.

    Raises:
        Misconfigured: there is no such sink, or none at all.
        Refused: none of the tables is for one of these sinks.
    """
    known = await _known(connection, sinks)
    for name in names:
        require_known(name, known)
    chosen = names or [sink.name for sink in sinks] or known
    if not chosen:
        raise Misconfigured(
            "no sink is known: name one in [[sink]] or by FORWARDER_SINK, or run `forwarder listen` first"
        )
    patterns = {sink.name: [Pattern(pattern) for pattern in sink.tables] for sink in sinks}
    found = {
        name: [
            table.id for table in tables if not patterns.get(name) or any(one.matches(table) for one in patterns[name])
        ]
        for name in dict.fromkeys(chosen)
    }
    table = f"{tables[0].schema}.{tables[0].name}"
    for name, table_ids in found.items():
        if not table_ids and (names or len(found) == 1):
            raise Refused(f"sink {name!r} is not for {table}; see its setting tables in [[sink]]")
    if not any(found.values()):
        raise Refused(f"no sink is for {table}; see the setting tables of each [[sink]]")
    return {name: table_ids for name, table_ids in found.items() if table_ids}


async def require_sinks(connection: Connection, sinks: Sequence[SinkSettings], names: Sequence[str]) -> None:
    """See that there are sinks of these names, or loads for them.

    Raises:
        Misconfigured: there are none.
    """
    if names:
        loaded = {load.sink for load in await load_requests.find(connection)}
        known = [*await _known(connection, sinks), *sorted(loaded)]
        for name in names:
            require_known(name, known)


def require_known(name: str, known: Sequence[str]) -> None:
    """See that a sink is among those that are known.

    Raises:
        Misconfigured: it is not.
    """
    if name not in known:
        hint = nearest(name, list(dict.fromkeys(known))) if known else "none is known; run `forwarder listen` first"
        raise Misconfigured(f"--sink {name!r}: there is no such sink; {hint}")


async def _known(connection: Connection, sinks: Sequence[SinkSettings]) -> list[str]:
    return list(dict.fromkeys([*(sink.name for sink in sinks), *await sink_names(connection)]))
