"""One sink of ``forwarder listen``: leads it for one tenure after another, and stops in order."""

from __future__ import annotations

import gc
import logging
from contextlib import AsyncExitStack

import anyio

from forwarder.backoff import Backoff
from forwarder.delivery.destination import Destination
from forwarder.errors import Deposed, ForwarderError, Gone, Refused, Unavailable, plain_errors
from forwarder.health import Phase
from forwarder.listen import leader
from forwarder.listen.sink_setup import SinkSetup
from forwarder.metrics.sink import RestartReason
from forwarder.outbox.source import Source
from forwarder.sinks.factory import NewDestination, open_sink

# A tenure that lasted so long was a success: the pauses between attempts begin at the shortest again.
STEADY_SECONDS = 15.0

_STOPPED_BY_ERROR = "stopped by an error; what was delivered and not saved will be sent again after the next start"

logger = logging.getLogger(__name__)


class SinkWorker:
    """Delivers the changes of a source to one sink, until stopped."""

    def __init__(self, setup: SinkSetup) -> None:
        self.state = setup.state
        self.sink_name = setup.sink.name
        self._setup = setup
        self._stopping = False
        self._has_led = False
        self._interruptible_scope: anyio.CancelScope | None = None

    def stop(self) -> None:
        """Stop reading, let what is in flight finish, save the position, and return from ``run``."""
        self._stopping = True
        self.state.phase = Phase.STOPPING
        if self._interruptible_scope:
            self._interruptible_scope.cancel()

    async def run(self, source: Source, *, once: bool = False, load_only: bool = False) -> None:
        """Deliver until stopped; with ``once``, until all there is now is delivered; with ``load_only``, until no load is left to be done.

        Waits for a database and a stream that do not answer yet. Once it has been delivering, it retries everything, until stopped: if the
        position cannot be saved then, the log says so, and the next leader goes on from the one before.

        Raises:
            Refused: at start, or with ``once``, something that waiting cannot mend.
        """
        backoff = Backoff(first_seconds=0.1, max_seconds=15.0)
        async with AsyncExitStack() as stack:
            new_destination = await self._opened(stack, backoff)
            while new_destination and not self._stopping:
                began = anyio.current_time()
                try:
                    with plain_errors():
                        await self._serve(source, new_destination(), once=once, load_only=load_only)
                    return
                except ForwarderError as error:
                    if not self._stopping:
                        self._setup.metrics.began_anew(restart_reason(error, has_led=self.state.leads))
                    self._report_lost_tenure(str(error))
                    if not self._may_pass(error, once=once):
                        raise
                    event = _STOPPED_BY_ERROR if self.state.phase is Phase.STOPPING else "trying again"
                    logger.warning(event, extra={"sink": self.sink_name, "reason": str(error)})
                if anyio.current_time() - began > STEADY_SECONDS:
                    backoff.reset()
                await self.pause(backoff.next())

    async def _opened(self, stack: AsyncExitStack, backoff: Backoff) -> NewDestination | None:
        """Open the sink, and wait for whatever that takes, credentials for one. None if stopped meanwhile."""
        while not self._stopping:
            try:
                async with AsyncExitStack() as attempt:
                    new_destination = await self._open(attempt)
                    stack.push_async_exit(attempt.pop_all())
                    return new_destination
            except ForwarderError as error:
                self._report(str(error))
                if not isinstance(error, Unavailable):
                    raise
                logger.warning("trying again", extra={"sink": self.sink_name, "reason": str(error)})
            await self.pause(backoff.next())
        return None

    def _report(self, trouble: str) -> None:
        self.state.trouble = trouble

    def _report_lost_tenure(self, trouble: str) -> None:
        self.state.trouble = trouble
        if not self._stopping:
            self.state.phase = Phase.RECONNECTING if self._has_led else Phase.STARTING

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until stopped, and free the memory of a tenure that has failed."""
        with self._interruptible():
            await anyio.sleep(seconds)
        # The traceback and the frames of a failure refer to each other, and to all records in memory. Python collects such circles after so
        # many new objects, however many megabytes the circles hold, and in a quiet hour there are no new ones.
        gc.collect()

    async def _serve(self, source: Source, destination: Destination, *, once: bool, load_only: bool) -> None:
        """Lead until stopped, or until all is delivered with ``once``, or loaded with ``load_only``.

        Raises:
            Unavailable: a connection is lost, and the leadership with it; what is in memory will be read again.
        """
        async with AsyncExitStack() as stack:
            with self._interruptible():
                current = await leader.begin(stack, self._setup, source=source, destination=destination, once=once)
                self._has_led = True
            if self._stopping:
                return
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(current.serve)
                try:
                    with self._interruptible(), plain_errors():
                        await (current.deliver_all() if once else current.listen(until_loaded=load_only))
                except Refused:
                    # Delivery stops before a change that cannot be sent. What is before it is delivered and saved.
                    await current.finish()
                    raise
                await current.finish()
                tasks.cancel_scope.cancel()

    async def _open(self, stack: AsyncExitStack) -> NewDestination:
        return await open_sink(
            stack,
            self._setup.sink_url.target,
            max_in_flight=self._setup.settings.listen.max_in_flight,
            metrics=self._setup.metrics,
            report=self._report,
        )

    def _interruptible(self) -> anyio.CancelScope:
        """A scope that ``stop`` ends at once."""
        self._interruptible_scope = anyio.CancelScope()
        if self._stopping:
            self._interruptible_scope.cancel()
        return self._interruptible_scope

    def _may_pass(self, error: ForwarderError, *, once: bool) -> bool:
        """Whether to try again: it may pass by itself or, once the sink has been served, somebody may mend it."""
        return isinstance(error, Unavailable) or (self._has_led and not once and not isinstance(error, Gone))


def restart_reason(error: ForwarderError, *, has_led: bool) -> RestartReason:
    """Why a tenure has ended; while it leads, an error of the sink does not end it."""
    if not isinstance(error, Unavailable):
        return "refused"
    if not has_led:
        return "start"
    return "leadership" if isinstance(error, Deposed) else "database"
