"""Makes one request of records, or several where the sink refuses one of them, and says which were not stored."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import anyio

from forwarder.delivery.concurrency import Concurrency
from forwarder.delivery.lease import Lease
from forwarder.delivery.sink import Rejection, Sink
from forwarder.delivery.uptime import uptime_seconds
from forwarder.errors import Invalid, Unavailable
from forwarder.health import ServiceState
from forwarder.logs import Throttled
from forwarder.metrics import SinkMetrics
from forwarder.records.record import Record, data_bytes

logger = logging.getLogger(__name__)


class Publisher:
    """Makes requests while the lease lasts. What is not known to be stored comes back as a rejection."""

    def __init__(
        self, sink: Sink, *, lease: Lease, concurrency: Concurrency, state: ServiceState, metrics: SinkMetrics
    ) -> None:
        """``concurrency`` learns from each answer; ``state`` is in trouble while the sink does not answer."""
        self._sink = sink
        self._lease = lease
        self._concurrency = concurrency
        self._state = state
        self._metrics = metrics
        self._complaints = Throttled(seconds=10.0)

    async def publish(
        self, records: Sequence[Record], *, in_flight: int, size: int | None = None
    ) -> Sequence[Rejection]:
        """Offer the records in one request; if the sink refuses one of them and does not say which, in halves until it is found.

        Returns the records that were not stored, in their order. ``in_flight`` counts the requests under way, this one included. ``size`` is
        how many bytes of data the records have, if the caller knows.

        Raises:
            Unavailable: the lease is over; nothing was sent.
        """
        # Just before each request, since a process that was frozen may wake up right here.
        self._lease.check(now=uptime_seconds())
        began = anyio.current_time()
        try:
            rejections = await self._sink.publish(records)
        except Invalid as error:
            if len(records) == 1:
                return [Rejection(record=records[0], code=error.code, reason=str(error), is_final=True)]
            middle = len(records) // 2
            first = await self.publish(records[:middle], in_flight=in_flight)
            return [*first, *await self.publish(records[middle:], in_flight=in_flight)]
        except Unavailable as error:
            return self._failed(records, error)
        self._answered(records, rejections, seconds=anyio.current_time() - began, in_flight=in_flight, size=size)
        return rejections

    def _failed(self, records: Sequence[Record], error: Unavailable) -> Sequence[Rejection]:
        self._concurrency.failed()
        self._metrics.failed(len(records))
        self._state.trouble = str(error)
        if self._complaints.due("unavailable"):
            logger.warning("sink unavailable, trying again", extra={"reason": str(error), "records": len(records)})
        return [Rejection(record=record, code="Unavailable") for record in records]

    def _answered(
        self,
        records: Sequence[Record],
        rejections: Sequence[Rejection],
        *,
        seconds: float,
        in_flight: int,
        size: int | None,
    ) -> None:
        stored = records
        if rejections or size is None:
            # By object, since a change and a dead letter made of it have the same seq.
            refused = {id(rejection.record) for rejection in rejections}
            stored = [record for record in records if id(record) not in refused]
            size = data_bytes(stored)
        self._concurrency.finished(seconds, in_flight=in_flight, rejected=len(rejections), records=len(records))
        self._metrics.request(seconds=seconds, records=len(stored), size=size)
        if self._state.trouble and stored:
            self._state.trouble = None
            logger.info("sink answers again")
        # A sink that only wants the records again at once, in smaller requests, has logged why by itself.
        is_divided = all(rejection.wait_seconds == 0.0 for rejection in rejections)
        for code, count in Counter(rejection.code for rejection in rejections).items():
            self._metrics.rejected(code, count)
            if not is_divided and self._complaints.due(code):
                logger.warning("records rejected, trying again", extra={"code": code, "records": count})
