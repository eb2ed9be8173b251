"""Puts the parts of ``forwarder verify --sink`` together: a session, the table, the stream or file, and the states."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime

from forwarder.cli.progress import Bars, Told
from forwarder.cli.verify_outcome import Outcome, of_rules
from forwarder.cli.verify_request import Request, keys_of
from forwarder.config.sink_url import FileTarget, KinesisTarget
from forwarder.config.stream_template import stream_of
from forwarder.consumer.reading.start import Start
from forwarder.database.access import DatabaseAddress
from forwarder.database.sessions import session
from forwarder.errors import Misconfigured, Refused, plain_errors
from forwarder.events import CapturedTable
from forwarder.verify.chunks import TableChunks
from forwarder.verify.coverage import Coverage
from forwarder.verify.delivery import Delivery
from forwarder.verify.file_tip import FileTip
from forwarder.verify.fold import Expected, Fold
from forwarder.verify.recorded_table import ReadSink, RecordedTable, read_recorded_table
from forwarder.verify.records import PROPAGATION_SECONDS, Records, Tip
from forwarder.verify.row_images import read_sent_images
from forwarder.verify.states import RowStates
from forwarder.verify.stream_tip import StreamTip
from forwarder.verify.subject import Subject, read_subject
from forwarder.verify.verification import Verification
from forwarder.verify.watch import Watch

# How often a call that might work later is made in a row: for about a minute.
ATTEMPTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsRequest:
    """Which records are read, and what is said of them."""

    sink: ReadSink
    start: Start
    # Whether they tell of every row, whatever can be seen.
    is_complete: bool
    # Whether the sink was named by its URL, so that the database need not know it.
    is_by_url: bool


async def verify_records(database_url: DatabaseAddress, request: Request, of: RecordsRequest) -> Outcome:
    """Compare a table with the records of a sink.

    Raises:
        Misconfigured, Refused: it cannot be done.
        Unavailable: somebody does not answer.
    """
    with plain_errors(), closing(RowStates()) as states:
        async with session(database_url, purpose="verify") as connection:
            subject = await read_subject(connection, request.table)
            recorded = await read_recorded_table(connection, subject, of.sink)
            name = of.sink.settings.name
            if recorded.sink_created_at is None and not of.is_by_url:
                raise Refused(f"sink {name!r} has delivered nothing yet; start `forwarder listen`, and run it again")
            is_known = recorded.sink_created_at is not None
            delivery = Delivery(connection, sink=name, table_id=recorded.table.id) if is_known else None
            coverage = Coverage(tells_loads=recorded.tells_loads, partial_loads=recorded.partial_loads)
            fold = Fold(states, Watch(), recorded.encoding.reading, _expected(request, of, subject, recorded), coverage)

            def is_complete() -> bool:
                return of.is_complete or fold.coverage.is_complete(
                    attached_at=recorded.attached_at, sink_created_at=recorded.sink_created_at
                )

            chunks = TableChunks(
                connection, subject, await read_sent_images(connection, subject), recorded.encoding.told
            )
            await chunks.prepare()
            async with _tip(of, recorded.table, fold) as tip:
                verification = Verification(
                    chunks,
                    Records(tip, delivery, propagation_seconds=0 if _is_file(of) else PROPAGATION_SECONDS),
                    states,
                    fold.watch,
                    is_complete=is_complete,
                    tell=request.tell,
                )
                bars = Bars(quiet=request.quiet)
                bars.add(
                    Told(
                        subject.qualified_name,
                        lambda: f"{fold.counts.records:,} records read, {verification.tally.rows:,} rows compared",
                    )
                )
                async with bars.shown():
                    await verification.run(keys_of(request, subject))
    return Outcome(
        table=subject.qualified_name,
        tally=verification.tally,
        counts=fold.counts,
        coverage=fold.coverage,
        is_complete=is_complete(),
        remarks=[*of_rules(subject), *_of_sink(name, recorded)],
    )


def _of_sink(name: str, recorded: RecordedTable) -> list[str]:
    remarks = []
    if recorded.sink_created_at is None:
        remarks.append(f"the database knows no sink {name!r}, so what was on its way to it had some seconds to arrive")
    if recorded.dead_letters:
        remarks.append(
            f"{recorded.dead_letters} of its changes are dead letters (`forwarder dead-letters list --sink {name}`)"
        )
    return remarks


def _expected(request: Request, of: RecordsRequest, subject: Subject, recorded: RecordedTable) -> Expected:
    schema, table = recorded.names
    options = subject.registered.options if subject.registered else {}
    return Expected(
        format=of.sink.format,
        schema=schema,
        table=table,
        origins=recorded.origins,
        has_seq=recorded.has_seq,
        first_at=of.start if isinstance(of.start, datetime) and _is_file(of) else None,
        tells_changed_columns=options.get("after", "full") != "full",
        keeps_rows=request.keeps_rows,
    )


def _is_file(of: RecordsRequest) -> bool:
    return isinstance(of.sink.url.target, FileTarget)


@asynccontextmanager
async def _tip(of: RecordsRequest, table: CapturedTable, fold: Fold) -> AsyncIterator[Tip]:
    match of.sink.url.target:
        case FileTarget(path=path):
            with closing(FileTip(path, fold.take)) as file:
                yield file
        case KinesisTarget() as target:
            # The AWS SDK takes most of a second.
            from forwarder.aws.kinesis_client import kinesis_client
            from forwarder.consumer.reading.kinesis_calls import READS_AT_ONCE, KinesisCalls

            stream = stream_of(target.stream, schema=table.schema, table=table.name)
            async with kinesis_client(target, max_connections=READS_AT_ONCE, reads=True) as client:
                calls = KinesisCalls(client, stream, attempts=ATTEMPTS, report=lambda _: None)
                yield StreamTip(calls, start=of.start, deliver=fold.take)
        case target:
            raise Misconfigured(
                f"{target} cannot be read again; name a sink that is a stream or a file, by --sink NAME or --sink URL"
            )
