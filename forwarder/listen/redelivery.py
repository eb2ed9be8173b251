"""Sends dead letters again that an operator has asked for, through the relay, like any other change."""

from __future__ import annotations

import anyio

from forwarder.delivery.relay import Relay
from forwarder.listen.checkpoints import Checkpoints
from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.record_maker import RecordMaker
from forwarder.outbox.commit_times import CommitTimes
from forwarder.outbox.event_reader import EventReader
from forwarder.outbox.registry import Registry
from forwarder.outbox.transactions import Transactions
from forwarder.store import dead_letters
from forwarder.store.dead_letters import Due

INTERVAL_SECONDS = 5.0


class Redelivery:
    """Looks for such letters every few seconds."""

    def __init__(
        self,
        session: LeaderSession,
        *,
        sink: str,
        registry: Registry,
        maker: RecordMaker,
        relay: Relay,
        checkpoints: Checkpoints,
    ) -> None:
        self._session = session
        self._sink = sink
        self._reader = EventReader(registry, Transactions(), CommitTimes(), letters_of=sink)
        self._maker = maker.for_letters(sink)
        self._relay = relay
        self._checkpoints = checkpoints
        self._turn = anyio.Lock()
        self._first_round = anyio.Event()

    async def run(self) -> None:
        """Send what is to be sent again, until cancelled.

        Raises:
            Unavailable: the session is lost.
        """
        while True:
            await self.round()
            self._first_round.set()
            await anyio.sleep(INTERVAL_SECONDS)

    async def round(self) -> None:
        """Send all that is to be sent again now, and wait until each is delivered or set aside again.

        Raises:
            Unavailable: the session is lost.
        """
        async with self._turn:
            # Each batch begins after the one before. From 0 on, it would have to pass over the rows of all letters that were sent and
            # deleted, for as long as vacuum cannot remove them.
            after_seq = 0
            while (letters := await self._due(after_seq)).events:
                await self._send(letters)
                after_seq = letters.events[-1].seq

    async def first_round(self) -> None:
        """Wait until all letters are sent that were due at the beginning."""
        await self._first_round.wait()

    async def _due(self, after_seq: int) -> Due:
        async with self._session.turn:
            return await dead_letters.due(self._session.connection, self._reader, sink=self._sink, after_seq=after_seq)

    async def _send(self, letters: Due) -> None:
        # `forwarder replay --table` begins another epoch before it writes letters. If we have not noticed that yet, `prove` raises here.
        # Without it we would notice when the letters are sent and cannot be removed, and the next leader would send them once more.
        await self._checkpoints.prove()
        await self._relay.deliver_again(await self._maker.records(letters.events, any_stored=True))
        # They are delivered. If a stop cancelled us here, they would be sent once more.
        with anyio.CancelScope(shield=True):
            # Letters that were set aside again are stored anew by the save. They are no longer due then, so they are not dropped.
            await self._checkpoints.save()
            async with self._session.turn:
                await dead_letters.drop_delivered(self._session.connection, letters, sink=self._sink)
