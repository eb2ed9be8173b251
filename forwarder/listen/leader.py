"""What lives from taking the leadership to losing a connection: the parts that move one sink's changes, put together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from forwarder.capture.selection import Pattern
from forwarder.config.settings import Settings, SinkSettings
from forwarder.config.sink_url import DEAD_LETTER, KinesisTarget, SinkUrl
from forwarder.database import sessions
from forwarder.database.lock_holders import Holder, holders_of_sink, usurpation
from forwarder.database.server_identity import server_of
from forwarder.database.sessions import Connection
from forwarder.delivery.buffer import Schedule
from forwarder.delivery.lease import Lease
from forwarder.delivery.quarantine import Quarantine
from forwarder.delivery.relay import Relay
from forwarder.delivery.sink import Sink
from forwarder.delivery.uploads import Uploads
from forwarder.delivery.uptime import uptime_seconds
from forwarder.errors import Refused
from forwarder.events import CapturedTable
from forwarder.health import Phase, ServiceState
from forwarder.listen import bodies
from forwarder.listen.bodies import Images
from forwarder.listen.checkpoints import Checkpoints
from forwarder.listen.intake import Intake, Wants
from forwarder.listen.redelivery import Redelivery
from forwarder.listen.standby import Standby
from forwarder.listen.watchdog import Watchdog
from forwarder.metrics import SinkMetrics
from forwarder.outbox.position import Position
from forwarder.outbox.source import Source
from forwarder.outbox.survey import Survey
from forwarder.records import partition_key
from forwarder.records.formats import native
from forwarder.records.origins import Origins
from forwarder.records.packing import Packer
from forwarder.store import history
from forwarder.store.leadership import Leadership
from forwarder.store.positions import Newcomers, Positions

if TYPE_CHECKING:
    from forwarder.sinks.claim_check import Attachments

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every tenure of a sink has in common."""

    database_url: str
    sink: SinkSettings
    sink_url: SinkUrl
    settings: Settings
    state: ServiceState
    metrics: SinkMetrics
    newcomers: Newcomers
    survey: Survey
    # Of records in memory.
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """The parts of one tenure."""

    sink: Sink
    intake: Intake
    relay: Relay
    checkpoints: Checkpoints
    redelivery: Redelivery
    attachments: Attachments | None
    settings: Settings
    state: ServiceState

    async def serve(self) -> None:
        """Send what is in memory, save the position and look after the sink, until cancelled.

        Raises:
            Unavailable: the session that holds the leadership is lost.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.relay.run)
            tasks.start_soon(self.checkpoints.run)
            tasks.start_soon(self.redelivery.run)
            tasks.start_soon(self.sink.watch, self.state)
            tasks.start_soon(Watchdog(self.relay, self.state).run)
            if self.attachments:
                tasks.start_soon(self.attachments.watch)

    async def listen(self) -> None:
        """Move changes into memory as they come, until cancelled."""
        await self.intake.run()

    async def deliver_all(self) -> None:
        """Move the changes there are now, dead letters that are due too, and wait until they are delivered."""
        await self.intake.catch_up()
        await self.redelivery.first_round()
        await self.relay.settled()

    async def finish(self) -> None:
        """Let what is in memory be delivered, within limits, and save the position."""
        with anyio.move_on_after(self.settings.listen.stop_timeout_seconds) as deadline:
            await self.relay.settled()
        if deadline.cancelled_caught:
            logger.warning("stopped before all was delivered; the rest will be sent after the next start")
        await self.checkpoints.save()
        logger.info("stopped", extra={"last_seq": self.relay.position.last_seq})


async def begin(
    stack: AsyncExitStack,
    terms: Terms,
    *,
    source: Source,
    sink: Sink,
    schedule: Schedule,
    attachments: Attachments | None,
    once: bool,
) -> Tenure:
    """Wait for the sink, connect, take the leadership, open the sink, and find out where to go on.

    The sink and the connections are closed by ``stack``. ``once`` does not stand by.

    Raises:
        Refused: waiting cannot mend it.
        Unavailable: the database does not answer.
    """
    await sink.prepare()
    if attachments:
        await attachments.prepare()
    session = await stack.enter_async_context(sessions.session(terms.database_url, purpose="leader"))
    leadership = Leadership(session, sink=terms.sink.name)
    await _take(leadership, session, terms, sink, wait=not once)
    await stack.enter_async_context(sink.opened())
    server = await server_of(session, url=terms.database_url)
    entered = await history.identify(session, server)
    inflow = await stack.enter_async_context(source.joined(server, history_stamp=entered.stamp))
    positions = Positions(
        session,
        sink=terms.sink.name,
        history_stamp=entered.stamp,
        newcomers=terms.newcomers,
        tell_lost=terms.metrics.lost,
    )
    lease = Lease(asked_at=uptime_seconds())
    position = await positions.load(start=terms.sink.start)
    quarantine = Quarantine(terms.metrics, halts_lanes=_halts_lanes(terms.sink_url))
    uploads = Uploads(attachments, state=terms.state, metrics=terms.metrics) if attachments else None
    relay = _relay(terms, sink, schedule, position, quarantine, lease, uploads)
    turn = anyio.Lock()
    packer = _packer(terms.sink_url, sink, entered.origins, Images(session, turn, metrics=terms.metrics))
    checkpoints = Checkpoints(
        positions,
        turn,
        relay=relay,
        quarantine=quarantine,
        lease=lease,
        raise_floor=inflow.head_reader.raise_floor,
        interval_seconds=terms.settings.listen.checkpoint_interval_seconds,
        ahead=positions.ahead,
    )
    redelivery = Redelivery(
        session,
        turn,
        sink=terms.sink.name,
        registry=inflow.registry,
        packer=packer,
        relay=relay,
        checkpoints=checkpoints,
    )
    intake = Intake(
        inflow.feed,
        inflow.outbox,
        position=position,
        relay=relay,
        packer=packer,
        state=terms.state,
        wants=_wants(terms.sink.tables),
        ahead=positions.ahead,
    )
    terms.state.phase, terms.state.trouble, terms.state.standstill = Phase.LEADING, None, None
    facts = {"sink": terms.sink.name, "to": str(terms.sink_url.target), "from_seq": position.last_seq}
    logger.info("listening", extra=facts if once else {**facts, "wake": str(inflow.waking)})
    if inflow.waking.warning and not once:
        logger.warning(inflow.waking.warning)
    return Tenure(
        sink=sink,
        intake=intake,
        relay=relay,
        checkpoints=checkpoints,
        redelivery=redelivery,
        attachments=attachments,
        settings=terms.settings,
        state=terms.state,
    )


async def _take(leadership: Leadership, session: Connection, terms: Terms, sink: Sink, *, wait: bool) -> None:
    if await leadership.take():
        return
    if not wait:
        raise Refused(_occupied(terms.sink.name, await holders_of_sink(session, terms.sink.name)))
    terms.state.phase, terms.state.trouble, terms.state.standstill = Phase.STANDBY, None, None
    standby = Standby(leadership, session, sink=terms.sink.name, state=terms.state, survey=terms.survey)
    async with anyio.create_task_group() as tasks:
        # What the sink has said of itself may be days old when the time comes.
        tasks.start_soon(sink.watch, terms.state)
        await standby.wait()
        tasks.cancel_scope.cancel()


def _occupied(sink: str, holders: Sequence[Holder]) -> str:
    if holders and not holders[0].leads:
        return usurpation(sink, holders)
    who = f": {holders[0]}" if holders else ""
    return f"another `forwarder listen` serves sink {sink!r}{who}; stop it first"


def _wants(patterns: list[str]) -> Wants | None:
    """Whether a sink is for a table; remembered by table, since it is asked for every change. None: it is for all."""
    if not patterns:
        return None
    selected = [Pattern(pattern) for pattern in patterns]
    answers: dict[CapturedTable, bool] = {}

    def wants(table: CapturedTable) -> bool:
        answer = answers.get(table)
        if answer is None:
            answer = answers[table] = any(pattern.matches(table) for pattern in selected)
        return answer

    return wants


def _packer(sink_url: SinkUrl, sink: Sink, origins: Origins, images: Images) -> Packer:
    encode = native.encoder(origins)
    return Packer(
        sink,
        origins=origins,
        encode=encode,
        encode_stored=partial(bodies.encode, encode, images=images),
        choose_key=partition_key.chooser(sink_url.partition_key, prefix=sink_url.prefix_key),
        oversize=sink_url.target.oversize if isinstance(sink_url.target, KinesisTarget) else DEAD_LETTER,
        has_barriers=_has_barriers(sink_url),
    )


def _has_barriers(sink_url: SinkUrl) -> bool:
    """Whether the changes of a table are ordered, and not all in one lane, or one line, where a TRUNCATE has its place anyhow."""
    is_ordered = isinstance(sink_url.target, KinesisTarget) and sink_url.target.ordering == "strict"
    return is_ordered and sink_url.partition_key != "table"


def _halts_lanes(sink_url: SinkUrl) -> bool:
    return isinstance(sink_url.target, KinesisTarget) and sink_url.target.on_poison == "halt-lane"


def _relay(
    terms: Terms,
    sink: Sink,
    schedule: Schedule,
    position: Position,
    quarantine: Quarantine,
    lease: Lease,
    uploads: Uploads | None,
) -> Relay:
    listen = terms.settings.listen
    return Relay(
        sink,
        schedule,
        position=position,
        state=terms.state,
        metrics=terms.metrics,
        quarantine=quarantine,
        lease=lease,
        max_events=listen.max_events,
        max_bytes=terms.max_bytes,
        uploads=uploads,
    )
