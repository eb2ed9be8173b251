"""What lives from taking the leadership to losing a connection: the parts that move changes, put together."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

import anyio

from forwarder import database, native, partition_key
from forwarder.checkpoints import Checkpoints
from forwarder.config import Settings
from forwarder.cursor import Position
from forwarder.database import Connection, errors_of
from forwarder.doorbell import Doorbell
from forwarder.errors import Refused
from forwarder.leadership import Leadership
from forwarder.metrics import SinkMetrics
from forwarder.outbox import Outbox
from forwarder.packing import Packer
from forwarder.positions import Positions
from forwarder.pump import Pump
from forwarder.quarantine import Quarantine
from forwarder.queries import query
from forwarder.redelivery import Redelivery
from forwarder.registry import Registry
from forwarder.relay import Relay, Schedule, Sink
from forwarder.sink_url import DEAD_LETTER, KinesisTarget, SinkUrl
from forwarder.state import Phase, ServiceState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every tenure of a service has in common."""

    database_url: str
    sink_name: str
    sink_url: SinkUrl
    settings: Settings
    state: ServiceState
    metrics: SinkMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """The parts of one tenure; ``doorbell`` is None if nobody is to ring."""

    pump: Pump
    relay: Relay
    checkpoints: Checkpoints
    redelivery: Redelivery
    doorbell: Doorbell | None
    settings: Settings

    async def serve(self) -> None:
        """Send what is in memory and save the position, until cancelled.

        Raises:
            Unavailable: the session that holds the leadership is lost.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.relay.run)
            tasks.start_soon(self.checkpoints.run)
            tasks.start_soon(self.redelivery.run)

    async def listen(self) -> None:
        """Move changes into memory as they come, until cancelled."""
        interval_seconds = self.settings.database.poll_interval_seconds
        if self.doorbell:
            await self.pump.listen(self.doorbell, poll_interval_seconds=interval_seconds)
        else:
            await self.pump.poll(interval_seconds=interval_seconds)

    async def deliver_all(self) -> None:
        """Move the changes there are now, and wait until they are delivered."""
        await self.pump.drain()
        await self.relay.settled()

    async def finish(self) -> None:
        """Let what is in memory be delivered, within limits, and save the position."""
        with anyio.move_on_after(self.settings.listen.stop_timeout_seconds) as deadline:
            await self.relay.settled()
        if deadline.cancelled_caught:
            logger.warning("stopped before all was delivered; the rest will be sent after the next start")
        await self.checkpoints.save()
        logger.info("stopped", extra={"last_seq": self.relay.position.last_seq})


async def begin(stack: AsyncExitStack, terms: Terms, *, sink: Sink, schedule: Schedule, once: bool) -> Tenure:
    """Wait for the sink, connect, take the leadership, and find out where to go on.

    The connections are closed by ``stack``. ``once`` neither stands by nor listens for notifications.

    Raises:
        Refused: waiting cannot mend it.
        Unavailable: the database does not answer.
    """
    await sink.prepare()
    session = await _connect(stack, terms, "leader")
    leadership = Leadership(session, sink=terms.sink_name)
    await _take(leadership, terms, wait=not once)
    # LISTEN comes before the first look at the outbox, so that nothing falls between the two.
    doorbell = None if once or terms.settings.database.wake == "poll" else await _doorbell(stack, terms)
    positions = Positions(session, sink=terms.sink_name)
    position = await positions.load()
    registry = Registry()
    outbox, system_identifier = await _outbox(stack, terms, position, registry)
    quarantine = Quarantine(terms.metrics, halts_lanes=_halts_lanes(terms.sink_url))
    relay = _relay(terms, sink, schedule, position, quarantine)
    packer = _packer(terms.sink_url, sink, system_identifier)
    turn = anyio.Lock()
    checkpoints = Checkpoints(
        positions,
        leadership,
        turn,
        relay=relay,
        quarantine=quarantine,
        outbox=outbox,
        interval_seconds=terms.settings.listen.checkpoint_interval_seconds,
    )
    redelivery = Redelivery(
        session,
        turn,
        sink=terms.sink_name,
        registry=registry,
        packer=packer,
        relay=relay,
        checkpoints=checkpoints,
    )
    terms.state.phase, terms.state.trouble = Phase.LEADING, None
    facts = {"sink": terms.sink_name, "to": str(terms.sink_url.target), "from_seq": position.last_seq}
    logger.info("listening", extra=facts)
    return Tenure(
        pump=Pump(outbox, relay, packer),
        relay=relay,
        checkpoints=checkpoints,
        redelivery=redelivery,
        doorbell=doorbell,
        settings=terms.settings,
    )


async def _connect(stack: AsyncExitStack, terms: Terms, purpose: str) -> Connection:
    return await stack.enter_async_context(database.session(terms.database_url, purpose=purpose))


async def _take(leadership: Leadership, terms: Terms, *, wait: bool) -> None:
    if await leadership.take():
        return
    if not wait:
        raise Refused(f"another `forwarder listen` serves sink {terms.sink_name!r}; stop it first")
    terms.state.phase, terms.state.trouble = Phase.STANDBY, None
    logger.info("standing by: another listener leads", extra={"sink": terms.sink_name})
    await leadership.wait()


async def _doorbell(stack: AsyncExitStack, terms: Terms) -> Doorbell:
    doorbell = Doorbell(await _connect(stack, terms, "doorbell"))
    await doorbell.install()
    return doorbell


async def _outbox(stack: AsyncExitStack, terms: Terms, position: Position, registry: Registry) -> tuple[Outbox, int]:
    """The reader of the outbox, and the identity of the cluster that it reads in."""
    connection = await _connect(stack, terms, "reader")
    with errors_of("cannot read the registry of captured tables"):
        await registry.refresh(connection)
        system_identifier: int = await connection.fetchval(query("system_identifier"))
    listen = terms.settings.listen
    outbox = Outbox(
        connection, position=position, registry=registry, page_rows=listen.page_rows, page_bytes=listen.page_bytes
    )
    return outbox, system_identifier


def _packer(sink_url: SinkUrl, sink: Sink, system_identifier: int) -> Packer:
    return Packer(
        sink,
        cluster=system_identifier,
        encode=native.encoder(system_identifier),
        choose_key=partition_key.chooser(sink_url.partition_key, prefix=sink_url.prefix_key),
        oversize=sink_url.target.oversize if isinstance(sink_url.target, KinesisTarget) else DEAD_LETTER,
    )


def _halts_lanes(sink_url: SinkUrl) -> bool:
    return isinstance(sink_url.target, KinesisTarget) and sink_url.target.on_poison == "halt-lane"


def _relay(terms: Terms, sink: Sink, schedule: Schedule, position: Position, quarantine: Quarantine) -> Relay:
    listen = terms.settings.listen
    return Relay(
        sink,
        schedule,
        position=position,
        state=terms.state,
        metrics=terms.metrics,
        quarantine=quarantine,
        max_events=listen.max_events,
        max_bytes=listen.max_bytes,
    )
