"""Where a relay delivers to: a sink, the schedule that keeps the order it needs, and the store for what is too large for it."""

from __future__ import annotations

from dataclasses import dataclass

from forwarder.delivery.buffer import Schedule
from forwarder.delivery.sink import Sink
from forwarder.delivery.uploads import ObjectStore


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

    async def prepare(self) -> None:
        """Wait until the sink and the store can be written to.

        Raises:
            Refused: waiting cannot mend it.
        """
        await self.sink.prepare()
        if self.object_store:
            await self.object_store.prepare()
