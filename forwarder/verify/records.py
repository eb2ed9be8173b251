"""The records of a sink, as what a table is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import anyio

from forwarder.outbox.position import Snapshot
from forwarder.verify.chunks import KeyTexts
from forwarder.verify.delivery import Delivery

# Where nobody knows what a sink has delivered, what is on its way has so long to arrive, in each round.
PAUSE_SECONDS = 2.0


# What a stream has stored can be read some 0.2 seconds later, AWS says; until then it looks as if nothing were there.
PROPAGATION_SECONDS = 0.5


class Tip(Protocol):
    """What reads records, from where it was on."""

    async def read(self) -> None:
        """Hand over what is stored by now."""


class Records:
    """What is in a stream or a file, and when it is past a snapshot."""

    def __init__(self, tip: Tip, delivery: Delivery | None, *, propagation_seconds: float) -> None:
        """``delivery``: None if the sink's position is not known. ``propagation_seconds``: after how long what is delivered can be read."""
        self._tip = tip
        self._propagation_seconds = propagation_seconds
        self._delivery = delivery

    async def begin(self) -> None:
        """Read all that there is."""
        await self._tip.read()

    async def catch_up(self, snapshot: Snapshot, keys: Sequence[KeyTexts]) -> None:
        """Read on until all is read that the snapshot sees."""
        if self._delivery:
            await self._delivery.reaches(snapshot)
            await anyio.sleep(self._propagation_seconds)
        else:
            await anyio.sleep(PAUSE_SECONDS)
        await self._tip.read()
