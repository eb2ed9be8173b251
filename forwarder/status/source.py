"""Where documents come from: the database, and what this process knows of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import anyio
from anyio import to_thread

from forwarder.capture.selection import Rule
from forwarder.config import sink_url
from forwarder.config.settings import Settings
from forwarder.database.access import DatabaseAddress
from forwarder.database.sessions import Connection, close, connect, describe
from forwarder.errors import ForwarderError, Misconfigured, Unavailable, plain_errors
from forwarder.status.composing import Scene, composed, composed_blind
from forwarder.status.document import Document, History, Point
from forwarder.status.facts import Catalogue, Facts
from forwarder.status.reading import read_catalogue, read_counts, read_facts
from forwarder.status.table_states import TableList
from forwarder.store.listeners import Announcement, Identity, Listener, Second

# Nobody who looks waits for longer than that.
ANSWER_SECONDS = 10.0
# From one look at all tables to the next, from one at what was counted of them to the next, and the part of the time that each may take.
CATALOGUE_SECONDS, COUNTS_SECONDS, LOOK_PART = 15.0, 2.0, 0.02
# After an attempt that has failed, the next look is told of the same for so long.
RETRY_SECONDS = 1.0
# A session that nobody has asked anything for so long is closed.
IDLE_SECONDS = 30.0


class Memory(Protocol):
    """What a listener knows of itself."""

    @property
    def identity(self) -> Identity: ...
    def says(self) -> Announcement:
        """How it is now."""

    def points(self) -> Mapping[str, Sequence[Second]]:
        """A point a second of each sink that it leads, the oldest first."""


class StatusSource:
    """Makes documents. Whatever fails, there is one, and it says what has failed."""

    def __init__(
        self,
        settings: Settings,
        *,
        database_url: DatabaseAddress,
        rules: Sequence[Rule] | None = None,
        memory: Memory | None = None,
    ) -> None:
        """``rules``: those by which tables are chosen, to see whether each is captured as they say. That occupies the processor, so a listener, which
        has other things to do, leaves it out. ``memory``: that of this process, if it is a listener.
        """
        self._database_url = database_url
        self._rules = rules if memory is None else None
        self._memory = memory
        self._scene = Scene(
            outbox=settings.outbox,
            targets={sink.name: _target(sink.url) for sink in settings.sink},
            patterns={sink.name: sink.tables for sink in settings.sink},
        )
        # One reader at a time.
        self._turn = anyio.Lock()
        self._connection: Connection | None = None
        self._asked_at = 0.0
        self._catalogue: Catalogue | None = None
        self._known_tables = TableList()
        self._catalogue_due = self._counts_due = 0.0
        # What has failed last, and until when that is told without another attempt.
        self._failure: ForwarderError | None = None
        self._retry_at = 0.0

    async def document(self) -> Document:
        """How everything is now."""
        async with self._turn:
            try:
                facts, catalogue = await self._read()
            except ForwarderError as error:
                return composed_blind(
                    self._scene,
                    str(error),
                    self._own(datetime.now(UTC)),
                    at=datetime.now(UTC),
                    database=describe(self._database_url),
                )
            own = self._own(datetime.fromtimestamp(facts.at, UTC))
            # With tens of thousands of tables this takes a second, for which delivery does not wait.
            return await to_thread.run_sync(
                partial(composed, self._scene, facts, catalogue, own, known_tables=self._known_tables)
            )

    def history(self) -> History:
        """The last 15 minutes of the sinks that this process leads."""
        points = self._memory.points() if self._memory else {}
        return History(
            ends_at=datetime.now(UTC), sinks={name: [_point(one) for one in found] for name, found in points.items()}
        )

    async def run(self) -> None:
        """Close the session when nobody has asked for a while, until cancelled."""
        try:
            while True:
                await anyio.sleep(IDLE_SECONDS)
                if anyio.current_time() - self._asked_at > IDLE_SECONDS:
                    await self.close()
        finally:
            with anyio.CancelScope(shield=True):
                await self.close()

    async def close(self) -> None:
        """End the session, if there is one. The next document opens another."""
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection:
                await close(connection)

    async def _read(self) -> tuple[Facts, Catalogue]:
        """Raises what has failed; within ``RETRY_SECONDS`` the same again."""
        self._asked_at = anyio.current_time()
        if self._failure and self._asked_at < self._retry_at:
            raise self._failure
        try:
            with plain_errors():
                return await self._in_time()
        except ForwarderError as error:
            self._failure, self._retry_at = error, anyio.current_time() + RETRY_SECONDS
            self._drop()
            raise

    async def _in_time(self) -> tuple[Facts, Catalogue]:
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self._database_url, purpose="status")
                facts = await read_facts(self._connection, database=describe(self._database_url))
        except TimeoutError:
            raise Unavailable(
                f"PostgreSQL at {describe(self._database_url)} has not answered within {ANSWER_SECONDS:g} s;"
                " see whether it runs, and what it is busy with"
            ) from None
        except BaseException:
            # Of a statement that was cancelled nobody knows where it stands.
            self._drop()
            raise
        return facts, await self._tables(self._connection)

    async def _tables(self, connection: Connection) -> Catalogue:
        """The tables, as they were a moment ago."""
        began = anyio.current_time()
        if self._catalogue is None or began >= self._catalogue_due:
            self._catalogue, self._counts_due = await read_catalogue(connection, self._rules), 0.0
            ended = anyio.current_time()
            self._catalogue_due = ended + max(CATALOGUE_SECONDS, (ended - began) / LOOK_PART)
        began = anyio.current_time()
        if began >= self._counts_due:
            self._catalogue = await read_counts(connection, self._catalogue)
            ended = anyio.current_time()
            self._counts_due = ended + max(COUNTS_SECONDS, (ended - began) / LOOK_PART)
        return self._catalogue

    def _drop(self) -> None:
        if self._connection:
            self._connection.terminate()
        self._connection = None

    def _own(self, seen_at: datetime) -> Listener | None:
        if self._memory is None:
            return None
        identity = self._memory.identity
        return Listener(
            id=identity.id,
            host=identity.host,
            pid=identity.pid,
            version=identity.version,
            started_at=identity.started_at,
            seen_at=seen_at,
            silent_seconds=0.0,
            says=self._memory.says(),
        )


def _target(url: str) -> str:
    with suppress(Misconfigured):
        return str(sink_url.parse(url).target)
    return ""


def _point(second: Second) -> Point:
    return Point(
        captured=second.captured,
        delivered=second.delivered,
        oldest_seconds=second.oldest_seconds,
        p50_ms=second.p50_ms,
        p99_ms=second.p99_ms,
    )
