"""What ``forwarder listen`` runs: it puts the parts together, keeps them going, and takes them down in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from forwarder import database, native, partition_key
from forwarder.backoff import Backoff
from forwarder.checkpoints import Checkpoints
from forwarder.config import Settings, SinkSettings
from forwarder.database import Connection, errors_of
from forwarder.doorbell import Doorbell
from forwarder.errors import ForwarderError, Refused, Unavailable
from forwarder.kinesis import kinesis_sink
from forwarder.lanes import Lanes
from forwarder.leadership import Leadership
from forwarder.line import Line
from forwarder.lines import file_sink, stdout_sink
from forwarder.outbox import Outbox
from forwarder.positions import Positions
from forwarder.pump import Pump
from forwarder.queries import query
from forwarder.registry import Registry
from forwarder.relay import Relay, Schedule, Sink
from forwarder.sink_url import KinesisTarget, SinkUrl, StdoutTarget
from forwarder.state import Phase, ServiceState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tenure:
    """The parts that live from taking the leadership to losing a connection."""

    pump: Pump
    relay: Relay
    checkpoints: Checkpoints
    doorbell: Doorbell | None


class Service:
    """Reads one database's outbox and delivers it to one sink, until stopped."""

    def __init__(self, settings: Settings, sink: SinkSettings, sink_url: SinkUrl, *, database_url: str) -> None:
        self._settings = settings
        self._listen = settings.listen
        self._sink_name = sink.name
        self._sink_url = sink_url
        self._database_url = database_url
        self._stopping = False
        self._has_led = False
        self._backoff = Backoff(first_seconds=0.1, max_seconds=15.0)
        self._interruptible_scope: anyio.CancelScope | None = None
        self.state = ServiceState()

    def stop(self) -> None:
        """Stop reading, let what is in flight finish, save the position, and return from ``run``."""
        self._stopping = True
        self.state.phase = Phase.STOPPING
        if self._interruptible_scope:
            self._interruptible_scope.cancel()

    async def run(self, *, once: bool = False) -> None:
        """Deliver until stopped; with ``once``, until all there is now is delivered.

        Waits for a database and a stream that do not answer yet. Once it has been delivering, it retries everything.

        Raises:
            Refused: at start, something that waiting cannot mend.
        """
        async with AsyncExitStack() as stack:
            sink, schedule = await self._open_sink(stack)
            while not self._stopping:
                try:
                    with _plain_errors():
                        await self._serve(sink, schedule(), once=once)
                    return
                except ForwarderError as error:
                    if not (self._has_led or isinstance(error, Unavailable)):
                        raise
                    self._report(error)
                with self._interruptible():
                    await anyio.sleep(self._backoff.next())

    async def _open_sink(self, stack: AsyncExitStack) -> tuple[Sink, Callable[[], Schedule]]:
        """The sink, ready to be written to, and what keeps its order."""
        target = self._sink_url.target
        if isinstance(target, KinesisTarget):
            max_in_flight = self._listen.max_in_flight
            return await stack.enter_async_context(kinesis_sink(target, max_in_flight=max_in_flight)), Lanes
        if isinstance(target, StdoutTarget):
            return await stack.enter_async_context(stdout_sink()), Line
        return await stack.enter_async_context(file_sink(Path(target.path))), Line

    async def _serve(self, sink: Sink, schedule: Schedule, *, once: bool) -> None:
        """Lead until stopped, or until all is delivered with ``once``.

        Raises:
            Unavailable: a connection is lost, and the leadership with it; what is in memory will be read again.
        """
        tenure: _Tenure | None = None
        async with AsyncExitStack() as stack:
            with self._interruptible():
                tenure = await self._begin(stack, sink, schedule, once=once)
            if tenure is None:
                return
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(tenure.relay.run)
                tasks.start_soon(
                    partial(tenure.checkpoints.run, interval_seconds=self._listen.checkpoint_interval_seconds)
                )
                with self._interruptible():
                    await self._feed(tenure, once=once)
                await self._finish(tenure)
                tasks.cancel_scope.cancel()

    async def _begin(self, stack: AsyncExitStack, sink: Sink, schedule: Schedule, *, once: bool) -> _Tenure:
        """Connect, take the leadership, and find out where to go on."""
        await sink.prepare()
        session = await self._connect(stack, "leader")
        leadership = Leadership(session, sink=self._sink_name)
        await self._take_leadership(leadership, wait=not once)
        doorbell = (
            None if once or self._settings.database.wake == "poll" else Doorbell(await self._connect(stack, "doorbell"))
        )
        if doorbell:
            # LISTEN comes before the first look at the outbox, so that nothing falls between the two.
            await doorbell.install()
        positions = Positions(session, sink=self._sink_name)
        position = await positions.load()
        reader = await self._connect(stack, "reader")
        registry = Registry()
        with errors_of("cannot read the registry of captured tables"):
            await registry.refresh(reader)
            system_identifier = await reader.fetchval(query("system_identifier"))
        relay = Relay(
            sink,
            schedule,
            position=position,
            state=self.state,
            max_events=self._listen.max_events,
            max_bytes=self._listen.max_bytes,
        )
        outbox = Outbox(
            reader,
            position=position,
            registry=registry,
            page_rows=self._listen.page_rows,
            page_bytes=self._listen.page_bytes,
        )
        pump = Pump(
            outbox,
            relay,
            encode=native.encoder(system_identifier),
            choose_key=partition_key.chooser(self._sink_url.partition_key, prefix=self._sink_url.prefix_key),
            max_record_bytes=sink.max_record_bytes,
        )
        self._has_led = True
        self._backoff.reset()
        self.state.phase = Phase.LEADING
        self.state.trouble = None
        logger.info(
            "listening",
            extra={"sink": self._sink_name, "to": str(self._sink_url.target), "from_seq": position.last_seq},
        )
        checkpoints = Checkpoints(positions, leadership, relay=relay, outbox=outbox)
        return _Tenure(pump=pump, relay=relay, checkpoints=checkpoints, doorbell=doorbell)

    async def _connect(self, stack: AsyncExitStack, purpose: str) -> Connection:
        return await stack.enter_async_context(database.session(self._database_url, purpose=purpose))

    async def _take_leadership(self, leadership: Leadership, *, wait: bool) -> None:
        if await leadership.take():
            return
        if not wait:
            raise Refused(f"another `forwarder listen` serves sink {self._sink_name!r}; stop it first")
        self.state.phase = Phase.STANDBY
        logger.info("standing by: another listener leads", extra={"sink": self._sink_name})
        await leadership.wait()

    async def _feed(self, tenure: _Tenure, *, once: bool) -> None:
        """Move changes into memory until interrupted; with ``once``, until all are delivered."""
        interval_seconds = self._settings.database.poll_interval_seconds
        if once:
            await tenure.pump.drain()
            await tenure.relay.settled()
        elif tenure.doorbell:
            await tenure.pump.listen(tenure.doorbell, poll_interval_seconds=interval_seconds)
        else:
            await tenure.pump.poll(interval_seconds=interval_seconds)

    async def _finish(self, tenure: _Tenure) -> None:
        """Let what is in memory be delivered, within limits, and save the position."""
        with anyio.move_on_after(self._listen.stop_timeout_seconds) as deadline:
            await tenure.relay.settled()
        if deadline.cancelled_caught:
            logger.warning("stopped before all was delivered; the rest will be sent after the next start")
        await tenure.checkpoints.save()
        logger.info("stopped", extra={"sink": self._sink_name, "last_seq": tenure.relay.position.last_seq})

    def _interruptible(self) -> anyio.CancelScope:
        """A scope that ``stop`` ends at once."""
        self._interruptible_scope = anyio.CancelScope()
        if self._stopping:
            self._interruptible_scope.cancel()
        return self._interruptible_scope

    def _report(self, error: ForwarderError) -> None:
        self.state.phase = Phase.RECONNECTING if self._has_led else Phase.STARTING
        self.state.trouble = str(error)
        logger.warning("trying again", extra={"reason": str(error)})


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Raise, for the group of errors that a task group ends in, the one that says what to do.

    Of several, a refusal wins over what may pass. An error that is neither is a bug and leaves as it came.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        known, bugs = group.split(ForwarderError)
        if bugs or known is None:
            raise
        refusals = known.subgroup(Refused)
        raise _first(refusals or known) from None


def _first(group: BaseExceptionGroup[ForwarderError]) -> ForwarderError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
