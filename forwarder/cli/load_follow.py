"""Shows how loads get on until they have ended: what is new in lines, and the rest by a bar for each."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import anyio
import typer

from forwarder.cli.load_lines import outcome, progress, title
from forwarder.cli.pace import Pace
from forwarder.cli.progress import Bars
from forwarder.cli.terminal_text import safe
from forwarder.database.lock_holders import holders_of_sink
from forwarder.database.sessions import Connection
from forwarder.errors import Refused
from forwarder.logs import Throttled
from forwarder.store import load_requests
from forwarder.store.loads import Load, LoadState

LOOK_SECONDS = 0.5
# Less often: looking who holds a lock costs the more the more locks there are in the whole instance.
LEADER_LOOK_SECONDS = 5.0


class LoadFollower:
    """Follows some loads. What becomes of them goes to standard output, and what is wrong to standard error."""

    def __init__(self, connection: Connection, loads: Sequence[Load], bars: Bars) -> None:
        self._connection = connection
        # As they were seen last, by number.
        self._loads = {load.number: load for load in loads}
        self._bars = bars
        # Of the loads that are under way.
        self._shown: dict[int, _LoadBar] = {}
        self._told: dict[int, LoadState] = {}
        self._waiting_for_leader: set[str] = set()
        self._leader_look = Throttled(seconds=LEADER_LOOK_SECONDS)

    async def follow(self) -> bool:
        """Return when none of the loads is under way any more: whether all have finished.

        Raises:
            Refused: one was removed.
            Unavailable: the database does not answer. The loads go on.
        """
        async with self._bars.shown():
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
        is_news = self._told.get(load.number) is not load.state
        self._told[load.number] = load.state
        if load.state.is_final:
            if bar := self._shown.pop(load.number, None):
                self._bars.remove(bar)
            if is_news:
                typer.echo(f"{title(load)}: {outcome(load)}", err=load.state is not LoadState.FINISHED)
            return
        if load.number not in self._shown:
            self._shown[load.number] = _LoadBar(load)
            self._bars.add(self._shown[load.number])
        self._shown[load.number].load = load
        if is_news and not self._bars.are_shown:
            typer.echo(f"{title(load)}: {progress(load)}")

    async def _tell_of_leaders(self, loads: Collection[Load]) -> None:
        if not self._leader_look.due("leaders"):
            return
        for sink in dict.fromkeys(load.sink for load in loads if load.state in (LoadState.WAITING, LoadState.RUNNING)):
            line = await waiting_for_leader(self._connection, sink)
            if line and sink not in self._waiting_for_leader:
                typer.echo(line, err=True)
            self._waiting_for_leader = self._waiting_for_leader | {sink} if line else self._waiting_for_leader - {sink}


class _LoadBar:
    """The bar of a load, as it was seen last."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self._pace = Pace()

    @property
    def title(self) -> str:
        return title(self.load)

    @property
    def done(self) -> int:
        return self.load.rows

    @property
    def total(self) -> int | None:
        # Before it begins nothing moves.
        return self.load.estimated_rows and max(self.load.estimated_rows, self.load.rows) if self.load.begun else 1

    def text(self, *, now: float) -> str:
        if self.load.begun:
            self._pace.note(self.load.rows, now=now)
        return progress(self.load, self._pace.per_second)


async def waiting_for_leader(connection: Connection, sink: str) -> str | None:
    """The line that says that nobody loads anything for a sink, since no listener leads it; None: one does."""
    if any(holder.leads for holder in await holders_of_sink(connection, sink)):
        return None
    return f"{safe(sink)}: waits for `forwarder listen`: no listener leads this sink"
