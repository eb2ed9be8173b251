"""The parts that move the changes of one sink, from taking the leadership to losing a connection, and how they are put together."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

import anyio

from forwarder.delivery.destination import Destination
from forwarder.delivery.relay import Relay
from forwarder.health import Phase
from forwarder.listen.bodies import Images
from forwarder.listen.candidacy import lead
from forwarder.listen.checkpoints import Checkpoints
from forwarder.listen.database_side import DatabaseSide, database_side
from forwarder.listen.hash_keys import hash_keys
from forwarder.listen.intake import Intake
from forwarder.listen.large_rows import LargeRows
from forwarder.listen.load_channel import LoadChannel
from forwarder.listen.load_report import LoadReport
from forwarder.listen.loader import Loader, loader
from forwarder.listen.record_maker import RecordMaker, record_maker
from forwarder.listen.redelivery import Redelivery
from forwarder.listen.resending import Resending
from forwarder.listen.revival import Revival
from forwarder.listen.sink_setup import SinkSetup
from forwarder.listen.table_filter import table_filter
from forwarder.listen.table_moves import TableMoves
from forwarder.listen.watchdog import Watchdog
from forwarder.load.pacing import RateLimit
from forwarder.outbox.source import Source
from forwarder.records.formats.catalogue import leaves_out
from forwarder.store.statistics import Statistics

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The parts that move the changes of one sink while this process leads it."""

    setup: SinkSetup
    destination: Destination
    intake: Intake
    relay: Relay
    checkpoints: Checkpoints
    redelivery: Redelivery
    # None, if the sink has but one stream.
    revival: Revival | None
    loader: Loader

    async def serve(self) -> None:
        """Send what is in memory, save the position and look after the sink, until cancelled.

        Raises:
            Unavailable: the session that holds the leadership is lost.
        """
        state, store = self.setup.state, self.destination.object_store
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.relay.run)
            tasks.start_soon(self.checkpoints.run)
            tasks.start_soon(self.redelivery.run)
            tasks.start_soon(self.destination.sink.watch, state)
            tasks.start_soon(Watchdog(self.relay, state).run)
            if store:
                tasks.start_soon(store.watch)
            if self.revival:
                tasks.start_soon(self.revival.run)

    async def listen(self, *, until_loaded: bool = False) -> None:
        """Move changes into memory as they come, and load rows, until cancelled; with ``until_loaded``, until no load is left to be done."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.intake.run)
            tasks.start_soon(self.loader.run)
            if until_loaded:
                await self.loader.idle()
                tasks.cancel_scope.cancel()

    async def deliver_all(self) -> None:
        """Move the changes there are now, dead letters that are due too, and wait until they are delivered."""
        await self.intake.catch_up()
        await self.redelivery.first_round()
        await self.relay.settled()
        if self.revival:
            await self.revival.round()
            await self.relay.settled()

    async def finish(self) -> None:
        """Wait until what is in memory is delivered, ``stop_timeout_seconds`` at most, and save the position."""
        with anyio.move_on_after(self.setup.settings.listen.stop_timeout_seconds) as deadline:
            await self.relay.settled()
        if deadline.cancelled_caught:
            logger.warning("stopped before all was delivered; the rest will be sent after the next start")
        await self.checkpoints.save()
        logger.info("stopped", extra={"last_seq": self.relay.position.last_seq})


async def begin(
    stack: AsyncExitStack, setup: SinkSetup, *, source: Source, destination: Destination, once: bool
) -> Leader:
    """Wait for the sink, take the leadership, open the sink, find out where to go on, and put the parts together.

    ``stack`` closes what is opened. With ``once``, if somebody else leads, it does not stand by.

    Raises:
        Refused: waiting cannot mend it.
        Unavailable: the database does not answer.
    """
    await destination.prepare()
    session = await lead(
        stack,
        destination.sink,
        name=setup.sink.name,
        database_url=setup.database_url,
        state=setup.state,
        survey=setup.survey,
        metrics=setup.session_metrics,
        stands_by=not once,
    )
    await stack.enter_async_context(destination.sink.opened())
    database = await database_side(stack, setup, session, source, region=destination.region)
    leader = _assemble(setup, destination, database)
    if leader.revival:
        await leader.revival.prepare(database.tenure.position)
    _announce(setup, database, once=once)
    return leader


def _assemble(setup: SinkSetup, destination: Destination, database: DatabaseSide) -> Leader:
    session, inflow, tenure = database.session, database.inflow, database.tenure
    routes, wants = destination.routes, table_filter(setup.sink.tables)
    relay = Relay(destination, tenure, limits=setup.memory, state=setup.state, metrics=setup.metrics)
    maker = _record_maker(setup, destination, database)
    checkpoints = Checkpoints(
        database.positions,
        session.turn,
        relay=relay,
        tenure=tenure,
        statistics=Statistics(session.connection, sink=setup.sink.name),
        tell_saved=setup.metrics.saved,
        tell_passed=lambda passed: setup.metrics.changed(passed.by_operation()),
        raise_floor=inflow.head_reader.raise_floor,
        interval_seconds=setup.settings.listen.checkpoint_interval_seconds,
    )
    moves = TableMoves(routes, relay) if routes else None
    resending = Resending(
        session,
        sink=setup.sink.name,
        registry=inflow.registry,
        maker=maker,
        relay=relay,
        checkpoints=checkpoints,
        streams=routes.streams if routes else None,
    )
    redelivery = Redelivery(
        session, sink=setup.sink.name, registry=inflow.registry, resending=resending, routes=routes, moves=moves
    )
    intake = Intake(
        inflow.feed,
        inflow.outbox,
        position=tenure.position,
        ahead=tenure.ahead,
        relay=relay,
        maker=maker,
        state=setup.state,
        arrivals=tenure.arrivals,
        wants=wants,
        moves=moves,
    )
    revival: Revival | None = None
    if routes and moves:
        revival = Revival(
            session,
            routes,
            sink=setup.sink.name,
            inflow=inflow,
            wants=wants,
            moves=moves,
            relay=relay,
            resending=resending,
            checkpoints=checkpoints,
        )
    channel = LoadChannel(
        settings=setup.settings.load,
        inflow=inflow,
        intake=intake,
        relay=relay,
        maker=maker,
        checkpoints=checkpoints,
        quarantine=tenure.quarantine,
        state=setup.state,
        row_rate=RateLimit(setup.settings.load.max_rows_per_second),
        byte_rate=RateLimit(setup.settings.load.max_bytes_per_second),
    )
    return Leader(
        setup=setup,
        destination=destination,
        intake=intake,
        relay=relay,
        checkpoints=checkpoints,
        redelivery=redelivery,
        revival=revival,
        loader=loader(
            setup.settings,
            session,
            database.positions,
            channel,
            database_url=setup.database_url,
            session_metrics=setup.session_metrics,
            sink=setup.sink,
            report=LoadReport(setup.state, setup.metrics),
        ),
    )


def _record_maker(setup: SinkSetup, destination: Destination, database: DatabaseSide) -> RecordMaker:
    return record_maker(
        setup.sink_url,
        destination,
        provenance=database.provenance,
        images=Images(database.session, metrics=setup.metrics),
        large_rows=LargeRows(database.session, setup.sink_url.partition_key, setup.mappings),
        absent_columns=database.absent_columns,
        mappings=setup.mappings,
        # A copy, since records may be made in a thread.
        captured=lambda: [table for table, _ in list(database.inflow.registry.tables.values())],
        tell_misfit=setup.mappings_check.tell if setup.mappings_check else None,
        hash_key_of=hash_keys(setup.sink.shards),
    )


def _announce(setup: SinkSetup, database: DatabaseSide, *, once: bool) -> None:
    setup.state.enter(Phase.LEADING)
    from_seq, waking = database.tenure.position.last_seq, database.inflow.waking
    facts = {"sink": setup.sink.name, "to": str(setup.sink_url.target), "from_seq": from_seq}
    logger.info("listening", extra=facts if once else {**facts, "wake": str(waking)})
    if left_out := leaves_out(setup.sink_url.format):
        logger.warning(
            "the format of this sink has no record for some changes",
            extra={"sink": setup.sink.name, "changes": left_out},
        )
    if waking.warning and not once:
        logger.warning(waking.warning)
