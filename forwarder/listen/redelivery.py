"""Sends dead letters again that an operator has asked for, through the relay, like any other change."""

from __future__ import annotations

import anyio

from forwarder.delivery.relay import Relay
from forwarder.delivery.schedules.routed import NO_STREAM, Routed
from forwarder.listen.checkpoints import Checkpoints
from forwarder.listen.leader_session import LeaderSession
from forwarder.listen.record_maker import RecordMaker
from forwarder.outbox.commit_times import CommitTimes
from forwarder.outbox.event_reader import EventReader
from forwarder.outbox.registry import Registry
from forwarder.outbox.transactions import Transactions
from forwarder.store import dead_letters, stranded
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
        schedule: Routed | None = None,
    ) -> None:
        """``schedule``: None if the sink has but one stream."""
        self._session = session
        self._sink = sink
        self._reader = EventReader(registry, Transactions(), CommitTimes(), letters_of=sink)
        self._maker = maker.for_letters(sink)
        self._relay = relay
        self._checkpoints = checkpoints
        self._schedule = schedule
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
        """Send all that is to be sent again now, and wait until each is delivered or set aside again. End early if a stream is barred meanwhile.

        Raises:
            Unavailable: the session is lost.
        """
        async with self._turn:
            # Each batch begins after the one before. From 0 on, it would have to pass over the rows of all letters that were sent and
            # deleted, for as long as vacuum cannot remove them.
            after_seq = 0
            while (letters := await self._due(after_seq)).events:
                if await self._send(letters):
                    return
                after_seq = letters.events[-1].seq

    async def first_round(self) -> None:
        """Wait until all letters are sent that were due at the beginning."""
        await self._first_round.wait()

    async def _due(self, after_seq: int) -> Due:
        async with self._session.turn:
            return await dead_letters.due(self._session.connection, self._reader, sink=self._sink, after_seq=after_seq)

    async def _send(self, letters: Due) -> bool:
        """Send these, and say whether any were set aside again since their stream is barred: then later ones must not go before them."""
        # `forwarder replay --table` begins another epoch before it writes letters. If we have not noticed that yet, `prove` raises here.
        # Without it we would notice when the letters are sent and cannot be removed, and the next leader would send them once more.
        await self._checkpoints.prove()
        stranded_before = self._letters_stranded
        await self._relay.deliver_again(await self._maker.records(letters.events, any_stored=True))
        # They are delivered. If a stop cancelled us here, they would be sent once more.
        with anyio.CancelScope(shield=True):
            is_barred = self._letters_stranded > stranded_before
            if is_barred:
                # First, lest a crash in between leave the later ones to be sent alone. `Revival` asks for all of them again.
                async with self._session.turn:
                    await stranded.unask(self._session.connection, sink=self._sink, code=NO_STREAM)
            # Letters that were set aside again are stored anew by the save. They are no longer due then, so they are not dropped.
            await self._checkpoints.save()
            async with self._session.turn:
                await dead_letters.drop_delivered(self._session.connection, letters, sink=self._sink)
        return is_barred

    @property
    def _letters_stranded(self) -> int:
        return self._schedule.letters_stranded if self._schedule else 0
