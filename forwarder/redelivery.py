"""Sends dead letters again that somebody has asked for, by the way that every change goes."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from forwarder import dead_letters
from forwarder.checkpoints import Checkpoints
from forwarder.database import Connection
from forwarder.event_reader import EventReader
from forwarder.events import Event
from forwarder.packing import Packer
from forwarder.registry import Registry
from forwarder.relay import Relay
from forwarder.transactions import Transactions

INTERVAL_SECONDS = 5.0


class Redelivery:
    """Looks for such letters now and then. ``turn`` is the lock by which the parts of the leader share its session."""

    def __init__(
        self,
        connection: Connection,
        turn: anyio.Lock,
        *,
        sink: str,
        registry: Registry,
        packer: Packer,
        relay: Relay,
        checkpoints: Checkpoints,
    ) -> None:
        self._connection = connection
        self._turn = turn
        self._sink = sink
        self._reader = EventReader(registry, Transactions(), letters_of=sink)
        self._packer = packer.for_letters()
        self._relay = relay
        self._checkpoints = checkpoints

    async def run(self) -> None:
        """Send what is to be sent again, until cancelled.

        Raises:
            Unavailable: the session is lost.
        """
        while True:
            while events := await self._due():
                await self._send(events)
            await anyio.sleep(INTERVAL_SECONDS)

    async def _due(self) -> Sequence[Event]:
        async with self._turn:
            return await dead_letters.due(self._connection, self._reader, sink=self._sink)

    async def _send(self, events: Sequence[Event]) -> None:
        await self._relay.deliver_again(self._packer.pack(events, any_stored=True))
        # Now that they are delivered, a stop must not keep us from saying so.
        with anyio.CancelScope(shield=True):
            # Those that are set aside again are stored first: they are no longer due then, and stay.
            await self._checkpoints.save()
            async with self._turn:
                await dead_letters.drop_delivered(self._connection, events, sink=self._sink)
