"""What ``forwarder listen`` runs: a worker for each sink, and the source that they share."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

import anyio

from forwarder.capture.new_tables import NewTables
from forwarder.capture.selection import Pattern
from forwarder.config import sink_url
from forwarder.config.settings import Settings, SinkSettings
from forwarder.config.sink_url import FileTarget, KinesisTarget, SinkUrl
from forwarder.config.table_mappings.file import load_mappings
from forwarder.config.table_mappings.table_mappings import TableMappings
from forwarder.database.access import DatabaseAddress
from forwarder.delivery.buffer import MemoryLimits
from forwarder.errors import ForwarderError, Misconfigured, plain_errors
from forwarder.health import OutboxState, ServiceState
from forwarder.listen.announcer import Announcer
from forwarder.listen.contradictions import Contradictions
from forwarder.listen.hash_keys import hash_keys
from forwarder.listen.mappings_check import MappingsCheck
from forwarder.listen.record_maker import require_order
from forwarder.listen.sampler import Sampler
from forwarder.listen.sink_setup import SinkSetup
from forwarder.listen.sink_worker import SinkWorker
from forwarder.metrics import Metrics
from forwarder.outbox.backlog_warnings import Backlog
from forwarder.outbox.janitor import Janitor
from forwarder.outbox.source import Source
from forwarder.outbox.survey import Survey
from forwarder.records.formats.catalogue import needs_columns
from forwarder.store.positions import Newcomers

# However many sinks share what may be in memory, each may have so much.
LEAST_BYTES = 1 << 20

# A sink that cannot be served while others can is tried again after so long: somebody may have mended it.
REFUSED_RETRY_SECONDS = 15.0

logger = logging.getLogger(__name__)


class Service:
    """Reads one database's outbox and delivers it to its sinks, none of which waits for another, until stopped."""

    def __init__(
        self, settings: Settings, sinks: Sequence[SinkSettings], *, database_url: DatabaseAddress, metrics: Metrics
    ) -> None:
        """Take the settings.

        Raises:
            Misconfigured: a sink's URL, or one of its table patterns, is malformed; two sinks write to one file; or the table mappings cannot be
                read.
        """
        _check_files(sinks)
        self._mappings = load_mappings(settings.table_mappings)
        of_records = self._mappings and self._mappings.telling(Contradictions(self._mappings.source).tell)
        mappings_check = MappingsCheck(self._mappings) if self._mappings else None
        self._settings = settings
        self._database_url = database_url
        # Whether the format of any sink asks for the types of columns, or the mappings give columns other names.
        changes_rows = self._mappings is not None and self._mappings.change_rows
        self._with_columns = changes_rows or any(needs_columns(sink_url.parse(sink.url).format) for sink in sinks)
        self._metrics = metrics
        self.outbox_state = OutboxState()
        self._survey = Survey(settings=settings.outbox, state=self.outbox_state, metrics=metrics.outbox)
        newcomers = Newcomers()
        self._workers = [
            SinkWorker(
                SinkSetup(
                    database_url=database_url,
                    sink=_checked(sink),
                    sink_url=_parsed(sink.url, self._mappings),
                    settings=settings,
                    state=ServiceState(),
                    metrics=metrics.sink(sink.name),
                    session_metrics=metrics.sessions,
                    newcomers=newcomers,
                    survey=self._survey,
                    mappings=of_records,
                    mappings_check=mappings_check,
                    memory=MemoryLimits(
                        max_events=settings.listen.max_events,
                        # In equal parts, whether a sink uses its part or not: so one that is stuck takes no memory from the others.
                        max_bytes=max(LEAST_BYTES, settings.listen.max_bytes // len(sinks)),
                    ),
                )
            )
            for sink in sinks
        ]
        metrics.watch(self.states)
        self._totals = {sink.name: metrics.sink(sink.name).totals for sink in sinks}
        self.sampler = Sampler(
            self._survey,
            metrics.doorbell,
            {name: (state, self._totals[name]) for name, state in self.states.items()},
        )
        self.announcer = Announcer(
            database_url,
            targets={sink.name: str(sink_url.parse(sink.url).target) for sink in sinks},
            tables={sink.name: sink.tables for sink in sinks},
            states=self.states,
            outbox=self.outbox_state,
            sampler=self.sampler,
            doorbell=metrics.doorbell,
            session_metrics=metrics.sessions,
        )
        # The sinks that cannot be served right now, and why.
        self._refused: dict[str, ForwarderError] = {}

    @property
    def states(self) -> Mapping[str, ServiceState]:
        """What each sink is doing, by its name."""
        return {worker.sink_name: worker.state for worker in self._workers}

    def delivered(self, sink: str) -> int:
        """How many changes this process has delivered to the sink, or set aside, since it leads."""
        holder = self._totals[sink].holder
        return holder.done if holder else 0

    def backlog(self, sink: str) -> Backlog | None:
        """What was waiting for the sink at the last measurement; another object after each. None: nothing was measured yet."""
        return self._survey.backlog(sink)

    def stop(self) -> None:
        """Stop reading, let what is in flight finish, save the positions, and return from ``run``."""
        for worker in self._workers:
            worker.stop()

    async def run(self, *, once: bool = False, load_only: bool = False) -> None:
        """Deliver until stopped; with ``once``, until all there is now is delivered; with ``load_only``, until no load is left to be done.

        Raises:
            Refused, Misconfigured: something that waiting cannot mend; of several sinks, only if it is so for all, or with ``once``.
        """
        with plain_errors():
            async with anyio.create_task_group() as tasks:
                if not once:
                    self._survey.invite(self.announcer.announce)
                    tasks.start_soon(self.sampler.run)
                    tasks.start_soon(self.announcer.run)
                await self._run(once=once, load_only=load_only)
                tasks.cancel_scope.cancel()
        if once and self._refused:
            raise next(iter(self._refused.values()))

    async def _run(self, *, once: bool, load_only: bool) -> None:
        with plain_errors():
            async with anyio.create_task_group() as connections:
                janitor = Janitor(
                    self._database_url,
                    settings=self._settings.outbox,
                    survey=self._survey,
                    metrics=self._metrics.outbox,
                    session_metrics=self._metrics.sessions,
                    new_tables=NewTables(self._settings, self._mappings),
                )
                source = Source(
                    connections,
                    self._settings,
                    janitor,
                    database_url=self._database_url,
                    sinks=len(self._workers),
                    with_columns=self._with_columns,
                    once=once,
                    metrics=self._metrics,
                )
                async with anyio.create_task_group() as tasks:
                    for worker in self._workers:
                        tasks.start_soon(self._deliver, worker, source, once, load_only)

    async def _deliver(self, worker: SinkWorker, source: Source, once: bool, load_only: bool) -> None:  # noqa: FBT001 - start_soon
        """Keep one sink going. Whatever is wrong with it, it is tried again as long as another sink is served."""
        while True:
            try:
                await worker.run(source, once=once, load_only=load_only)
                return
            except ForwarderError as error:
                self._refused[worker.sink_name] = error
                if once:
                    return
                if len(self._refused) == len(self._workers):
                    raise
                logger.error("sink refused, others go on", extra={"sink": worker.sink_name, "reason": str(error)})
            await worker.pause(REFUSED_RETRY_SECONDS)
            self._refused.pop(worker.sink_name)


def _check_files(sinks: Sequence[SinkSettings]) -> None:
    writers: dict[str, str] = {}
    for sink in sinks:
        target = sink_url.parse(sink.url).target
        if isinstance(target, FileTarget):
            first = writers.setdefault(os.path.realpath(target.path), sink.name)
            if first != sink.name:
                raise Misconfigured(
                    f"sinks {first!r} and {sink.name!r} both write to {target.path}; give each of them a file of its own"
                )


def _parsed(url: str, mappings: TableMappings | None) -> SinkUrl:
    found = sink_url.parse(url)
    if mappings:
        require_order(found, mappings)
    return found


def _checked(sink: SinkSettings) -> SinkSettings:
    try:
        for pattern in sink.tables:
            Pattern(pattern)
    except Misconfigured as error:
        raise Misconfigured(f"setting tables of sink {sink.name!r}: {error}") from None
    try:
        hash_keys(sink.shards)
    except Misconfigured as error:
        raise Misconfigured(f"setting shards of sink {sink.name!r}: {error}") from None
    if sink.shards and not isinstance(sink_url.parse(sink.url).target, KinesisTarget):
        raise Misconfigured(f"setting shards of sink {sink.name!r} is for Kinesis; leave it out")
    return sink
