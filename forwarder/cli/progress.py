"""Bars that say how far a command is: on standard error, while that is a terminal and nobody has asked for quiet.

They are drawn a few times a second, and gone when the command is done. Whatever is printed or logged meanwhile comes out whole: the bars make room
for it, and are drawn below it again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout
from typing import Annotated, Any, Protocol, TextIO, cast

import anyio
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from forwarder.cli.pace import Pace
from forwarder.cli.terminal_text import safe
from forwarder.quantities import duration

DRAW_SECONDS = 0.2

QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Do not show how far it is.")]


class Bar(Protocol):
    """What one bar shows."""

    @property
    def title(self) -> str:
        """What it is about, to stand before the bar."""

    @property
    def done(self) -> int:
        """How much is done."""

    @property
    def total(self) -> int | None:
        """Of how much; None: not known."""

    def text(self, *, now: float) -> str:
        """What is to stand behind the bar, at a moment of any clock in seconds."""


class Count:
    """A bar of things that are done one after the other."""

    def __init__(self, title: str, *, unit: str, total: int | None = None) -> None:
        """``unit``: what is counted, such as ``tables``."""
        self.title = safe(title)
        self.done = 0
        self.total = total
        # What is to be said besides, such as who is waited for.
        self.note = ""
        self._unit = unit
        self._pace = Pace()

    def text(self, *, now: float) -> str:
        """``12,000 of 50,000 changes, 6,000/s, 6 s left``."""
        self._pace.note(self.done, now=now)
        rate = self._pace.per_second
        parts = [
            f"{self.done:,} {self._unit}" if self.total is None else f"{self.done:,} of {self.total:,} {self._unit}"
        ]
        if rate >= 1:
            parts.append(f"{rate:,.0f}/s")
        if rate and self.total is not None and self.total > self.done:
            parts.append(f"{duration((self.total - self.done) / rate)} left")
        if self.note:
            parts.append(safe(self.note))
        return ", ".join(parts)


class Told:
    """A bar of something without an end that is known: it moves, and says how far it is."""

    done = 0
    total = None

    def __init__(self, title: str, describe: Callable[[], str]) -> None:
        self.title = safe(title)
        self._describe = describe

    def text(self, *, now: float) -> str:
        """What ``describe`` says."""
        return self._describe()


class Bars:
    """The bars of a command, in the order in which they were added."""

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(file=sys.stderr)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[text]}", markup=False),
        )
        self._drawn = Progress(
            *columns,
            console=console,
            expand=True,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[Bar, TaskID] = {}
        self._are_shown = console.is_terminal and not console.is_dumb_terminal and not quiet
        self._is_drawn = False

    @property
    def are_shown(self) -> bool:
        """Whether anybody sees them."""
        return self._are_shown

    def add(self, bar: Bar) -> None:
        """Show one more."""
        self._tasks[bar] = self._drawn.add_task(bar.title, total=None, text="")

    def remove(self, bar: Bar) -> None:
        """Show it no more."""
        self._drawn.remove_task(self._tasks.pop(bar))

    @asynccontextmanager
    async def shown(self, look: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Show the bars for the length of a block. ``look`` is called before each drawing, to bring them up to date."""
        if not self._are_shown:
            yield
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_drawing, look)
            with self._giving_way():
                try:
                    yield
                finally:
                    tasks.cancel_scope.cancel()
                    self.hide()

    def hide(self) -> None:
        """Make room for a line; they are drawn again below it."""
        if self._is_drawn:
            self._drawn.stop()
            self._is_drawn = False

    async def _keep_drawing(self, look: Callable[[], None]) -> None:
        while True:
            # The first time a moment later: most commands are done by then.
            await anyio.sleep(DRAW_SECONDS)
            look()
            self._draw()

    def _draw(self) -> None:
        if not self._is_drawn:
            self._drawn.start()
            self._is_drawn = True
        for bar, task in self._tasks.items():
            # rich shows of one without a total that something moves.
            total = cast("float", bar.total)
            self._drawn.update(task, completed=bar.done, total=total, text=bar.text(now=time.monotonic()))
        self._drawn.refresh()

    @contextmanager
    def _giving_way(self) -> Iterator[None]:
        """Have the bars hidden before anything else is written to the terminal."""
        with ExitStack() as stack:
            stack.enter_context(redirect_stderr(cast("TextIO", _BehindBars(sys.stderr, self))))
            if sys.stdout and sys.stdout.isatty():
                stack.enter_context(redirect_stdout(cast("TextIO", _BehindBars(sys.stdout, self))))
            yield


class _BehindBars:
    """A stream to the terminal that shows the bars: they give way to what is written."""

    def __init__(self, stream: TextIO, bars: Bars) -> None:
        self._stream = stream
        self._bars = bars

    def write(self, text: str) -> int:
        self._bars.hide()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
