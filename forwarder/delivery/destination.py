"""Where a relay delivers to: a sink, the schedule that keeps the order it needs, and the store for what is too large for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from forwarder.delivery.buffer import Schedule
from forwarder.delivery.schedules.routed import Routed
from forwarder.delivery.sink import Sink
from forwarder.delivery.uploads import ObjectStore
from forwarder.events import CapturedTable
from forwarder.records.packing import Streams


class Routing(Streams, Protocol):
    """The streams of a sink that has one for each table: ``forwarder.sinks.kinesis.routing.RoutedSink``."""

    def objection(self, stream: str) -> str | None:
        """Why this stream cannot be written to; None: it can be."""

    def expect(self, tables: Iterable[CapturedTable]) -> None:
        """Look for the streams of these tables soon, so that a missing one is told before it is needed."""

    def leave_all_but(self, tables: Iterable[CapturedTable]) -> None:
        """Miss no streams but those of these tables: others had their names from tables that were renamed."""

    async def learn(self, tables: Iterable[CapturedTable]) -> None:
        """Look for the streams of these tables now, as far as they are not known. One that is missing is known then, too.

        Raises:
            Refused: credentials or the endpoint are wrong.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The streams of a sink, and the records of one tenure that go to them: the destination's schedule."""

    streams: Routing
    schedule: Routed


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A sink as one relay uses it. The next relay has the same sink and store, and a schedule of its own."""

    sink: Sink
    # Empty at first.
    schedule: Schedule
    # Where the attachments of records are stored; None: no record has one.
    object_store: ObjectStore | None = None
    # The AWS region that it is in; None: it is in none.
    region: str | None = None
    # None, if the sink has but one stream.
    routes: Routes | None = None

    async def prepare(self) -> None:
        """Wait until the sink and the store can be written to.

        Raises:
            Refused: waiting cannot mend it.
        """
        await self.sink.prepare()
        if self.object_store:
            await self.object_store.prepare()
