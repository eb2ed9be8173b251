"""A relay as a leader would have it, for whoever needs one without a database's side: the only place beside the listener that makes one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from math import inf

import anyio

from forwarder.delivery.buffer import MemoryLimits, Schedule
from forwarder.delivery.destination import Destination
from forwarder.delivery.lease import Lease
from forwarder.delivery.quarantine import Quarantine
from forwarder.delivery.relay import Relay
from forwarder.delivery.schedules.lanes import Lanes
from forwarder.delivery.sink import Sink
from forwarder.delivery.tenure import Tenure
from forwarder.delivery.uploads import ObjectStore
from forwarder.health import ServiceState
from forwarder.metrics import Metrics, SinkMetrics
from forwarder.outbox.position import Position, Snapshot
from forwarder.records.packing import Packed
from forwarder.records.record import Record, Stretch
from forwarder.sinks.kinesis.pacing import Pacing
from tests.support.unwatched import Unwatched

START = Position(delivered=Snapshot(1, 1), floor_seq=0)
# Of a test that does not ask what was counted.
METRICS = Metrics().sink("default")


class ReadySink:
    """A sink without its ``publish``: it has the limits of a stream, and nothing to wait for, open or look after."""

    max_records = 500
    max_bytes = 1 << 20
    max_record_bytes = 1 << 20
    max_in_flight = 16
    takes_bodies = False

    async def prepare(self) -> None:
        """Always ready."""

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Nothing to open."""
        return nullcontext()

    async def watch(self, state: ServiceState) -> None:
        """Nothing to look after."""


def relay_to(
    sink: Sink,
    *,
    schedule: Schedule | None = None,
    object_store: ObjectStore | None = None,
    position: Position = START,
    lease: Lease | None = None,
    quarantine: Quarantine | None = None,
    max_events: int = 1000,
    max_bytes: int = 1 << 20,
    state: ServiceState | None = None,
    metrics: SinkMetrics = METRICS,
) -> Relay:
    """A relay, with a lease without end, and lanes that are not paced, unless told otherwise."""
    return Relay(
        Destination(sink=sink, schedule=schedule or Lanes(Pacing()), object_store=object_store),
        Tenure(
            position=position,
            lease=lease or Lease(asked_at=inf),
            quarantine=quarantine or Quarantine(metrics),
            arrivals=Unwatched(),
        ),
        limits=MemoryLimits(max_events=max_events, max_bytes=max_bytes),
        state=state or ServiceState(),
        metrics=metrics,
    )


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    """It sends for the length of a block."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(relay.run)
        yield
        tasks.cancel_scope.cancel()


def page_of(*records: Record) -> Packed:
    """A page of one table; its records share the set of what is not delivered."""
    return Packed(records=records, stretches=[Stretch(1, record.undelivered) for record in records[:1]])
