"""Sends dead letters again that somebody has asked for, by the way that every change goes."""

from __future__ import annotations

import anyio

from forwarder.delivery.relay import Relay
from forwarder.listen.checkpoints import Checkpoints
from forwarder.listen.leader_session import LeaderSession
from forwarder.outbox.event_reader import EventReader
from forwarder.outbox.registry import Registry
from forwarder.outbox.transactions import Transactions
from forwarder.records.packing import Packer
from forwarder.store import dead_letters
from forwarder.store.dead_letters import Due

INTERVAL_SECONDS = 5.0


class Redelivery:
    """Looks for such letters now and then."""

    def __init__(
        self,
        session: LeaderSession,
        *,
        sink: str,
        registry: Registry,
        packer: Packer,
        relay: Relay,
        checkpoints: Checkpoints,
    ) -> None:
        self._session = session
        self._sink = sink
        self._reader = EventReader(registry, Transactions(), letters_of=sink)
        self._packer = packer.for_letters(sink)
        self._relay = relay
        self._checkpoints = checkpoints
        self._first_round = anyio.Event()

    async def run(self) -> None:
        """Send what is to be sent again, until cancelled.

        Raises:
            Unavailable: the session is lost.
        """
        while True:
            # Begun anew each time, a batch would pass over all that were sent before it, as long as vacuum cannot remove them.
            after_seq = 0
            while (letters := await self._due(after_seq)).events:
                await self._send(letters)
                after_seq = letters.events[-1].seq
            self._first_round.set()
            await anyio.sleep(INTERVAL_SECONDS)

    async def first_round(self) -> None:
        """Wait until everything is sent that was due at the beginning."""
        await self._first_round.wait()

    async def _due(self, after_seq: int) -> Due:
        async with self._session.turn:
            return await dead_letters.due(self._session.connection, self._reader, sink=self._sink, after_seq=after_seq)

    async def _send(self, letters: Due) -> None:
        # `forwarder replay --table` has the position loaded anew before it writes any letter: so who reads one has to know of that. Else
        # we would find out when the letters are sent, and they would be sent once more.
        await self._checkpoints.prove()
        await self._relay.deliver_again(self._packer.pack(letters.events, any_stored=True))
        # Now that they are delivered, a stop must not keep us from saying so.
        with anyio.CancelScope(shield=True):
            # Those that are set aside again are stored first: they are no longer due then, and stay.
            await self._checkpoints.save()
            async with self._session.turn:
                await dead_letters.drop_delivered(self._session.connection, letters, sink=self._sink)
