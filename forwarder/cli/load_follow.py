"""Shows how loads get on until they have ended: a bar for each in a terminal, lines everywhere else."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Sequence

import anyio
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from forwarder.cli.load_lines import Pace, outcome, progress, title
from forwarder.cli.terminal_text import safe
from forwarder.database.lock_holders import holders_of_sink
from forwarder.database.sessions import Connection
from forwarder.errors import Refused
from forwarder.logs import Throttled
from forwarder.store import load_requests
from forwarder.store.loads import Load, LoadState

LOOK_SECONDS = 0.5
LINE_SECONDS = 2.0
# Less often: looking who holds a lock costs the more the more locks there are in the whole instance.
LEADER_LOOK_SECONDS = 5.0


class LoadFollower:
    """Follows some loads. What is said again and again goes to standard output, and what is wrong to standard error."""

    def __init__(self, connection: Connection, loads: Sequence[Load]) -> None:
        self._connection = connection
        # As they were seen last, by number.
        self._loads = {load.number: load for load in loads}
        self._paces: defaultdict[int, Pace] = defaultdict(Pace)
        self._told: dict[int, LoadState] = {}
        self._waiting_for_leader: set[str] = set()
        self._leader_look = Throttled(seconds=LEADER_LOOK_SECONDS)
        self._display: _Bars | _Lines = _Bars() if Console().is_terminal else _Lines()

    async def follow(self) -> bool:
        """Return when none of the loads is under way any more: whether all have finished.

        Raises:
            Refused: one was removed.
            Unavailable: the database does not answer. The loads go on.
        """
        with self._display:
            while True:
                loads = await self._find()
                await self._tell_of_leaders(loads)
                for load in loads:
                    self._show(load)
                if all(load.state.is_final for load in loads):
                    return all(load.state is LoadState.FINISHED for load in loads)
                await anyio.sleep(LOOK_SECONDS)

    async def _find(self) -> Sequence[Load]:
        found = {load.number: load for load in await load_requests.read(self._connection, self._loads)}
        if lost := [load for load in self._loads.values() if load.number not in found]:
            raise Refused(f"the load of {lost[0].qualified_name} for sink {lost[0].sink!r} was removed with the sink")
        self._loads |= found
        return list(found.values())

    def _show(self, load: Load) -> None:
        pace = self._paces[load.number]
        if load.begun:
            pace.note(load.rows, now=time.monotonic())
        is_news = self._told.get(load.number) is not load.state
        self._told[load.number] = load.state
        if not load.state.is_final:
            self._display.show(load, pace.rows_per_second, is_news=is_news)
        elif is_news:
            self._display.end(load)

    async def _tell_of_leaders(self, loads: Collection[Load]) -> None:
        if not self._leader_look.due("leaders"):
            return
        for sink in dict.fromkeys(load.sink for load in loads if load.state in (LoadState.WAITING, LoadState.RUNNING)):
            line = await waiting_for_leader(self._connection, sink)
            if line and sink not in self._waiting_for_leader:
                self._display.say(line)
            self._waiting_for_leader = self._waiting_for_leader | {sink} if line else self._waiting_for_leader - {sink}


async def waiting_for_leader(connection: Connection, sink: str) -> str | None:
    """The line that says that nobody loads anything for a sink, since no listener leads it; None: one does."""
    if any(holder.leads for holder in await holders_of_sink(connection, sink)):
        return None
    return f"{safe(sink)}: waits for `forwarder listen`: no listener leads this sink"


class _Lines:
    """A line for each load now and then, and for what is new at once."""

    def __init__(self) -> None:
        self._occasional = Throttled(seconds=LINE_SECONDS)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, load: Load, rows_per_second: float, *, is_news: bool) -> None:
        if self._occasional.due(str(load.number)) or is_news:
            typer.echo(f"{title(load)}: {progress(load, rows_per_second)}")

    def end(self, load: Load) -> None:
        typer.echo(f"{title(load)}: {outcome(load)}", err=load.state is not LoadState.FINISHED)

    def say(self, line: str) -> None:
        typer.echo(line, err=True)


class _Bars:
    """A bar for each load that is under way, below the lines of those that have ended."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[progress]}", markup=False),
        )
        self._progress = Progress(*columns, expand=True, auto_refresh=False, transient=True)
        self._bars: dict[int, TaskID] = {}

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, load: Load, rows_per_second: float, *, is_news: bool) -> None:
        text = progress(load, rows_per_second)
        if load.number not in self._bars:
            self._bars[load.number] = self._progress.add_task(title(load), total=None, progress=text)
        # Before it begins nothing moves.
        total = load.estimated_rows and max(load.estimated_rows, load.rows) if load.begun else 1
        self._progress.update(self._bars[load.number], completed=load.rows, total=total, progress=text)
        self._progress.refresh()

    def end(self, load: Load) -> None:
        if load.number in self._bars:
            self._progress.remove_task(self._bars.pop(load.number))
        self.say(f"{title(load)}: {outcome(load)}")

    def say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
