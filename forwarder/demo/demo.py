"""The demo from beginning to end: sets the stage, lets the shop trade while the listener is killed, and audits what came out."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import anyio

from forwarder.demo import view
from forwarder.demo.audit import Findings, audit
from forwarder.demo.consumer import Consumer, kinesis_client
from forwarder.demo.ledger import Ledger
from forwarder.demo.listener import Listener
from forwarder.demo.processes import ProgramEnded, log_directory
from forwarder.demo.screen import Screen
from forwarder.demo.shop import Shop
from forwarder.demo.stage import STREAM, Stage, stage
from forwarder.demo.writers import Writers
from forwarder.errors import Refused

# If nothing more has come out of the stream for this long, what is missing is lost. A restart of the listener takes a second or two.
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long and how fast the writers write, and whether everything stays up afterwards."""

    seconds: float
    rate: float
    keep: bool


class Demo:
    """One run of the demo."""

    def __init__(self, options: Options, screen: Screen) -> None:
        self._options = options
        self._screen = screen
        self._ledger = Ledger()
        self._findings: Findings | None = None
        self._scope = anyio.CancelScope()
        self._released = anyio.Event()

    def stop(self) -> None:
        """Take everything down: at once, if the audit is still to come; else whatever ``--keep`` has left up."""
        self._released.set()
        if self._findings is None:
            self._scope.cancel()

    async def run(self) -> bool:
        """Run the demo; whether it came to the audit before it was stopped.

        Raises:
            Refused: something was lost or out of order, or a program of the demo did not start or has ended.
        """
        with self._scope, log_directory() as logs:
            try:
                await self._perform(logs)
            except ExceptionGroup as group:
                first = _first(group)
                if isinstance(first, ProgramEnded):
                    self._screen.show("", f"The end of {first.log}:", "", *first.last_lines)
                self._screen.show("", f"The logs of all that ran stay in {logs}")
                raise first from None
            if self._findings and not self._findings.held:
                raise Refused(f"the promise did not hold; the logs of all that ran stay in {logs}")
        return self._findings is not None

    async def _perform(self, logs: Path) -> None:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(stage(logs=logs, step=self._screen.step))
            client = await stack.enter_async_context(kinesis_client(here.endpoint_url))
            listener = Listener(here, logs=logs, step=self._screen.step)
            consumer = Consumer(client, STREAM, deliver=self._ledger.read)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(partial(listener.run, kill_after_seconds=self._options.seconds / 2))
            await listener.ready.wait()
            self._screen.step(f"forwarder listen --sink 'kinesis://{STREAM}?endpoint_url=…'")
            self._screen.step(f"dashboard on {listener.dashboard_url}")
            tasks.start_soon(consumer.run)
            await self._trade(here, listener, consumer)
            self._conclude(listener)
            if self._options.keep:
                await self._linger(here, consumer, listener)
            tasks.cancel_scope.cancel()

    async def _trade(self, here: Stage, listener: Listener, consumer: Consumer) -> None:
        """Let the shop's writers write, and wait for all of it to come out."""
        seconds, rate = self._options.seconds, self._options.rate
        self._screen.step(f"the shop trades: {seconds:g} s, {rate:g} transactions a second")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                partial(self._screen.follow, self._ledger, listener=lambda: listener.state, seconds=seconds)
            )
            await Writers(here.database_url, shop=Shop(Random()), ledger=self._ledger).run(seconds=seconds, rate=rate)
            await self._until_read(consumer)
            tasks.cancel_scope.cancel()

    async def _until_read(self, consumer: Consumer) -> None:
        while self._ledger.unread:
            with anyio.move_on_after(_PATIENCE_SECONDS) as patience:
                await consumer.next_arrivals()
            if patience.cancelled_caught:
                break
        # Read to the end of every shard: a record that should not be there would come after all others.
        await consumer.caught_up()

    def _conclude(self, listener: Listener) -> None:
        ledger = self._ledger
        self._findings = audit(ledger.commits, ledger.arrivals, outages=listener.outages)
        updates = [arrival for arrival in ledger.arrivals if arrival.change.operation == "update"]
        for arrival in updates[-1:]:
            self._screen.show("", "One of the records:", "", *view.whole_record(arrival))
        self._screen.show("", "Summary:", "", *view.summary(self._findings, ledger, kills=len(listener.outages)))
        self._screen.show("", *view.verdict(self._findings))

    async def _linger(self, here: Stage, consumer: Consumer, listener: Listener) -> None:
        """Show what comes out of the stream until released."""
        self._screen.show(
            *view.connections(
                database_url=here.database_url,
                endpoint_url=here.endpoint_url,
                stream=STREAM,
                dashboard_url=listener.dashboard_url,
            )
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._show_arrivals, consumer)
            await self._released.wait()
            tasks.cancel_scope.cancel()

    async def _show_arrivals(self, consumer: Consumer) -> None:
        while True:
            shown = len(self._ledger.arrivals)
            await consumer.next_arrivals()
            for arrival in self._ledger.arrivals[shown:]:
                self._screen.show(view.record_line(arrival))


def _first(error: Exception) -> Exception:
    """The first error in what a task group raised."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error
