"""Puts the parts of ``forwarder verify`` together: a session, the table, what it is compared with, and the states."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from forwarder.capture.catalog import read_registry
from forwarder.capture.selection import Pattern
from forwarder.config.formats import FORMATS
from forwarder.config.settings import SinkSettings
from forwarder.config.sink_url import FileTarget, KinesisTarget, SinkUrl
from forwarder.config.stream_template import stream_of
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.consumer.reading.start import Start
from forwarder.database.queries import query
from forwarder.database.sessions import Connection, database_errors, session
from forwarder.errors import Misconfigured, Refused, plain_errors
from forwarder.events import CapturedTable
from forwarder.listen.table_filter import table_filter
from forwarder.outbox.registry import Registry
from forwarder.records.formats.catalogue import needs_columns
from forwarder.records.origins import Origin, Origins
from forwarder.verify.chunks import KeyTexts, TableChunks
from forwarder.verify.copied_table import Copy, teller
from forwarder.verify.coverage import Coverage
from forwarder.verify.delivery import Delivery
from forwarder.verify.encoding import Encoding
from forwarder.verify.file_tip import FileTip
from forwarder.verify.fold import Counts, Expected, Fold
from forwarder.verify.records import Records, Tip
from forwarder.verify.states import RowStates
from forwarder.verify.stream_tip import StreamTip
from forwarder.verify.subject import Subject, read_subject
from forwarder.verify.verification import Difference, Tally, Verification
from forwarder.verify.watch import Watch

# How often a call that might work later is made in a row: for about a minute.
_ATTEMPTS = 10
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# Of these formats an id begins with the name of the database.
_WITH_ORIGINS = ("native", "cloudevents", "lambda")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for, whatever the table is compared with."""

    table: str
    keys: Sequence[str] = ()
    keeps_rows: bool = False
    tell: Callable[[Difference], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSink:
    """A sink whose records are asked about."""

    sink: SinkSettings
    sink_url: SinkUrl
    mappings: TableMappings | None
    start: Start
    # Whether somebody says that the records tell of every row.
    is_complete: bool
    # Whether it was named by its URL, so that the database need not know it.
    is_by_url: bool


@dataclass(slots=True)
class Outcome:
    """What came of it, and what there is to say beside."""

    table: str
    tally: Tally
    # Of records: how much was read, and since when there are any.
    counts: Counts | None = None
    coverage: Coverage = field(default_factory=Coverage)
    is_complete: bool = True
    # Of a copy: how many rows it has.
    copied: int | None = None
    remarks: list[str] = field(default_factory=list)


async def verify_records(url: str, wanted: Wanted, of: WantedSink) -> Outcome:
    """Compare a table with the records of a sink.

    Raises:
        Misconfigured, Refused: it cannot be done.
        Unavailable: somebody does not answer.
    """
    with plain_errors(), _states() as states:
        async with session(url, purpose="verify") as connection:
            subject = await read_subject(connection, wanted.table)
            table = await _captured(connection, subject, of)
            encoding = Encoding(table, subject, of.sink_url, mappings=of.mappings, origins=await _origins(connection))
            delivery = Delivery(connection, sink=of.sink.name, table_id=table.id)
            is_known = await delivery.is_known()
            if not is_known and not of.is_by_url:
                raise Refused(
                    f"sink {of.sink.name!r} has delivered nothing yet; start `forwarder listen`, and run it again"
                )
            fold = Fold(states, Watch(), encoding.reading, await _expected(connection, wanted, of, subject, encoding))
            captured_at, sink_created_at, dead_letters = await _history(connection, table.id, of.sink.name)

            def is_complete() -> bool:
                return of.is_complete or fold.coverage.is_complete(
                    captured_at=captured_at, sink_created_at=sink_created_at
                )

            async with _tip(of, table, fold) as tip:
                chunks = TableChunks(connection, subject, encoding.told)
                await chunks.prepare()
                verification = Verification(
                    chunks,
                    Records(tip, delivery if is_known else None),
                    states,
                    fold.watch,
                    is_complete=is_complete,
                    tell=wanted.tell,
                )
                await verification.run(_keys(wanted.keys, subject))
    outcome = Outcome(
        subject.qualified_name,
        verification.tally,
        counts=fold.counts,
        coverage=fold.coverage,
        is_complete=is_complete(),
        remarks=_remarks(subject),
    )
    if not is_known:
        outcome.remarks.append(
            f"the database knows no sink {of.sink.name!r}; so what differs was given some seconds to arrive, and no more"
        )
    if dead_letters:
        outcome.remarks.append(
            f"{dead_letters} of its changes are dead letters (`forwarder dead-letters list --sink {of.sink.name}`)"
        )
    return outcome


async def verify_copy(url: str, wanted: Wanted, *, against: str, against_table: str) -> Outcome:
    """Compare a table with a consumer's copy of it. Raises as ``verify_records``."""
    with plain_errors(), _states() as states:
        async with (
            session(url, purpose="verify") as connection,
            session(against, purpose="verify") as other,
        ):
            subject = await read_subject(connection, wanted.table)
            copied = await read_subject(other, against_table)
            if {column.name for column in copied.key} != {column.name for column in subject.key}:
                raise Refused(
                    f"the key of {subject.qualified_name} is ({_names(subject)}), and that of its copy {copied.qualified_name} is"
                    f" ({_names(copied)}); give the copy the same primary key"
                )
            ours = TableChunks(connection, subject, teller(subject), as_text=True)
            theirs = TableChunks(other, _like(copied, subject), teller(subject), as_text=True)
            await ours.prepare()
            await theirs.prepare()
            watch = Watch()
            copy = Copy(theirs, states, watch, keeps_rows=wanted.keeps_rows)
            verification = Verification(ours, copy, states, watch, is_complete=lambda: True, tell=wanted.tell)
            await verification.run(_keys(wanted.keys, subject))
    return Outcome(subject.qualified_name, verification.tally, copied=copy.rows, remarks=_remarks(subject))


@contextmanager
def _states() -> Iterator[RowStates]:
    with closing(RowStates()) as states:
        yield states


def _keys(texts: Sequence[str], subject: Subject) -> list[KeyTexts]:
    """The keys that are asked for, ``eu,42``; one of a single column may have commas."""
    count = len(subject.key)
    keys = [(text,) if count == 1 else tuple(text.split(",")) for text in texts]
    if wrong := next((key for key in keys if len(key) != count), None):
        raise Misconfigured(
            f"--key {','.join(wrong)!r} has {len(wrong)} values, and the key of {subject.qualified_name} is ({_names(subject)})"
        )
    return list(dict.fromkeys(keys))


def _names(subject: Subject) -> str:
    return ", ".join(column.name for column in subject.key)


def _like(copied: Subject, subject: Subject) -> Subject:
    """The copy, with its key in the order of the table's."""
    by_name = {column.name: column for column in copied.key}
    return replace(copied, key=tuple(by_name[column.name] for column in subject.key))


def _remarks(subject: Subject) -> list[str]:
    remarks = []
    if subject.treated:
        remarks.append(f"not compared, since they are sent in another form: {', '.join(sorted(subject.treated))}")
    if subject.left_out:
        remarks.append(f"not every change of it is captured: {subject.left_out}")
    return remarks


async def _captured(connection: Connection, subject: Subject, of: WantedSink) -> CapturedTable:
    if subject.registered is None:
        raise Refused(
            f"{subject.qualified_name} is not captured; run `forwarder migrate --table {subject.qualified_name}` first"
        )
    id = subject.registered.id
    registry = Registry(with_columns=needs_columns(of.sink_url.format))
    with database_errors(f"cannot read the columns of {subject.qualified_name}"):
        await registry.refresh(connection, [id])
    table, _ = registry.tables[id]
    wants = table_filter(of.sink.tables)
    if wants and not wants(table):
        raise Misconfigured(f"sink {of.sink.name!r} is not for {subject.qualified_name}, by its tables; name another")
    return table


async def _expected(
    connection: Connection, wanted: Wanted, of: WantedSink, subject: Subject, encoding: Encoding
) -> Expected:
    schema, table = encoding.names("{}")
    await _require_own_records(connection, of, subject, schema, table)
    format = _name(of.sink_url)
    origins = await _origins(connection)
    assert subject.registered is not None
    return Expected(
        format=format,
        schema=schema,
        table=table,
        origins={origin.name for origin in origins.newest_first} if format in _WITH_ORIGINS else (),
        first_at=of.start if isinstance(of.start, datetime) and isinstance(of.sink_url.target, FileTarget) else None,
        tells_changed_columns=subject.registered.options.get("after", "full") != "full",
        keeps_rows=wanted.keeps_rows,
    )


async def _require_own_records(
    connection: Connection, of: WantedSink, subject: Subject, schema: str | None, table: str | None
) -> None:
    """See that no other table's records look as if they were of this one."""
    patterns = [Pattern(pattern) for pattern in of.sink.tables]
    for other in await read_registry(connection):
        is_wanted = not patterns or any(pattern.matches(other) for pattern in patterns)
        if not other.active or not is_wanted or (other.schema, other.name) == (subject.schema, subject.name):
            continue
        names = of.mappings.names(other.schema, other.name) if of.mappings else None
        in_records = (names.schema, names.table) if names else (other.schema, other.name)
        if schema in (None, in_records[0]) and table in (None, in_records[1]):
            raise Refused(
                f"the records of {other.schema}.{other.name} cannot be told from those of {subject.qualified_name} in this sink; name tables in the"
                " records (table=true, tableName=schema.table), or use a sink for this table alone"
            )


def _name(sink_url: SinkUrl) -> str:
    return next(name for name, format in FORMATS.items() if isinstance(sink_url.format, format))


async def _origins(connection: Connection) -> Origins:
    with database_errors("cannot read what ids begin with"):
        return Origins([Origin(*row) for row in await connection.fetch(query("origins"))])


async def _history(connection: Connection, table_id: int, sink: str) -> tuple[datetime | None, datetime | None, int]:
    with database_errors("cannot read since when the table is captured"):
        row = await connection.fetchrow(query("table_history"), table_id, sink)
    assert row is not None
    return _time(row["installed_at"]), _time(row["sink_created_at"]), row["dead_letters"]


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


@asynccontextmanager
async def _tip(of: WantedSink, table: CapturedTable, fold: Fold) -> AsyncIterator[Tip]:
    target = of.sink_url.target
    match target:
        case FileTarget():
            with closing(FileTip(target.path, fold.take)) as file:
                yield file
        case KinesisTarget():
            # The AWS SDK takes most of a second.
            from forwarder.aws.kinesis_client import kinesis_client
            from forwarder.consumer.reading.kinesis_calls import READS_AT_ONCE, KinesisCalls

            stream = stream_of(target.stream, schema=table.schema, table=table.name)
            async with kinesis_client(target, max_connections=READS_AT_ONCE, reads=True) as client:
                calls = KinesisCalls(client, stream, attempts=_ATTEMPTS, report=lambda _: None)
                yield StreamTip(calls, start=of.start, deliver=fold.take)
        case _:
            raise Misconfigured(
                f"{target} cannot be read again; name a sink that is a stream or a file, by --sink NAME or --sink URL"
            )
