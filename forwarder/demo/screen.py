"""The screen: a live view in a terminal, plain lines everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
from rich.console import Console
from rich.live import Live
from rich.text import Text

from forwarder.demo import view
from forwarder.demo.ledger import Ledger

_FRAME_SECONDS = 0.2
_LINE_SECONDS = 1.0
_RECORDS_SHOWN = 8


class Screen:
    """Shows what happens, with the seconds since the start before each step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_at = time.monotonic()

    def step(self, text: str) -> None:
        """Show that something was done, and when."""
        self.show(f"{time.monotonic() - self._started_at:5.1f} s  {text}")

    def show(self, *lines: str | Text) -> None:
        """Show lines as they are. One that is longer than the terminal is wide is not broken, so that it can be copied in one piece."""
        for line in lines:
            self._console.print(line, markup=False, soft_wrap=True)

    async def follow(self, ledger: Ledger, *, listener: Callable[[], str], seconds: float) -> None:
        """Show the ledger as it fills, until cancelled."""
        if self._console.is_interactive:
            await self._animate(ledger, listener, seconds)
        else:
            await self._report(ledger)

    async def _animate(self, ledger: Ledger, listener: Callable[[], str], seconds: float) -> None:
        began_at = time.monotonic()
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                done = (time.monotonic() - began_at) / seconds
                records = ledger.arrivals[-_RECORDS_SHOWN:]
                live.update(view.dashboard(ledger, listener=listener(), done=done, records=records), refresh=True)
                await anyio.sleep(_FRAME_SECONDS)

    async def _report(self, ledger: Ledger) -> None:
        while True:
            await anyio.sleep(_LINE_SECONDS)
            self.step(view.progress_line(ledger))
            for arrival in ledger.arrivals[-1:]:
                self.show(Text("         ").append(view.record_line(arrival)))
