"""A captured table, and how the records of one sink tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from forwarder.capture.catalog import read_registry
from forwarder.capture.selection import Named, Pattern
from forwarder.config.formats import FORMATS
from forwarder.config.settings import SinkSettings
from forwarder.config.sink_url import KinesisTarget, SinkUrl
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors
from forwarder.errors import Misconfigured, Refused
from forwarder.events import CapturedTable
from forwarder.outbox.registry import Registry
from forwarder.records.formats.catalogue import needs_columns
from forwarder.records.origins import Origin, Origins
from forwarder.verify.encoding import Encoding
from forwarder.verify.subject import Subject

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# In these formats the id of a change begins with the name of its database.
_WITH_ORIGINS = ("native", "cloudevents", "lambda")
# These do not tell of the beginning and the end of a load.
_WITHOUT_LOADS = ("dms", "dynamodb")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSink:
    """A sink whose records are read."""

    settings: SinkSettings
    # Its URL, parsed.
    url: SinkUrl
    # What tables and columns are called in its records; None: as in the database.
    mappings: TableMappings | None

    @property
    def format(self) -> str:
        """The name of its format."""
        return next(name for name, format in FORMATS.items() if isinstance(self.url.format, format))

    @property
    def is_unordered(self) -> bool:
        """Whether the records of a row may come in another order than its changes."""
        return isinstance(self.url.target, KinesisTarget) and not self.url.is_ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTable:
    """What has to be known of a table to find its rows in records."""

    table: CapturedTable
    encoding: Encoding
    # What records call it; None: their format has no place for that.
    names: tuple[str | None, str | None]
    # Whether its records have a seq.
    has_seq: bool
    # What the ids of its changes begin with; empty: the format has no such ids.
    origins: frozenset[str]
    # Whether its records tell of the beginning and the end of a load; and the numbers of the loads that were of some of its rows alone.
    tells_loads: bool
    partial_loads: frozenset[int]
    # When it was captured by itself; None: by `forwarder migrate`.
    attached_at: datetime | None
    # When the sink began; None: the database knows no such sink.
    sink_created_at: datetime | None
    # How many of its changes the sink has set aside.
    dead_letters: int


async def read_recorded_table(connection: Connection, subject: Subject, sink: ReadSink) -> RecordedTable:
    """Look all of that up.

    Raises:
        Misconfigured: the sink is not for this table.
        Refused: it is not captured, or its records cannot be told from those of another table.
        Unavailable: the database does not answer.
    """
    table = await _captured(connection, subject, sink)
    with database_errors(f"cannot read how {subject.qualified_name} is captured"):
        origins = [Origin(*row) for row in await connection.fetch(query("origins"))]
        history = await connection.fetchrow(query("table_history"), table.id, sink.settings.name)
    assert history is not None
    encoding = Encoding(table, subject, sink.url, mappings=sink.mappings, origins=Origins(origins))
    sample = encoding.sample()
    names = sample.schema, sample.table
    if sample.seq is None and sink.is_unordered:
        raise Refused(
            f"the records of sink {sink.settings.name!r} are in no order and have no seq, so which one of a row is the last cannot be told; leave out"
            " ordering=none, or have them tell it (IncludeTransactionDetails=true with format=dms, id=true with format=lambda)"
        )
    await _require_own_records(connection, subject, sink, names)
    return RecordedTable(
        table=table,
        encoding=encoding,
        names=names,
        has_seq=sample.seq is not None,
        origins=frozenset(origin.name for origin in origins) if sink.format in _WITH_ORIGINS else frozenset(),
        tells_loads=sink.format not in _WITHOUT_LOADS,
        partial_loads=frozenset(history["partial_loads"]),
        attached_at=_time(history["attached_at"]),
        sink_created_at=_time(history["sink_created_at"]),
        dead_letters=history["dead_letters"],
    )


async def _captured(connection: Connection, subject: Subject, sink: ReadSink) -> CapturedTable:
    if subject.registered is None:
        raise Refused(
            f"{subject.qualified_name} is not captured; run `forwarder migrate --table {subject.qualified_name}` first"
        )
    if not _wants(sink.settings.tables, subject):
        raise Misconfigured(
            f"sink {sink.settings.name!r} is not for {subject.qualified_name}, by its tables; name another"
        )
    id = subject.registered.id
    registry = Registry(
        with_columns=needs_columns(sink.url.format) or bool(sink.mappings and sink.mappings.change_rows)
    )
    with database_errors(f"cannot read the columns of {subject.qualified_name}"):
        await registry.refresh(connection, [id])
    table, _ = registry.tables[id]
    return table


async def _require_own_records(
    connection: Connection, subject: Subject, sink: ReadSink, names: tuple[str | None, str | None]
) -> None:
    """See that no other table of the sink has the same names in its records."""
    for other in await read_registry(connection):
        place = other.schema, other.name
        if not other.active or not _wants(sink.settings.tables, other) or place == (subject.schema, subject.name):
            continue
        if sink.mappings:
            renamed = sink.mappings.names(*place)
            place = renamed.schema, renamed.table
        if all(name in (None, part) for name, part in zip(names, place, strict=True)):
            raise Refused(
                f"the records of {other.quoted} cannot be told from those of {subject.qualified_name}; have them name their tables (table=true with"
                " format=lambda, tableName=schema.table with format=dynamodb), or use a sink for this table alone"
            )


def _wants(patterns: Sequence[str], table: Named) -> bool:
    return not patterns or any(Pattern(pattern).matches(table) for pattern in patterns)


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
