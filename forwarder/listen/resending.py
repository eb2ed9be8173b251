"""Sends dead letters again, through the relay, like any other change, and deletes those that are delivered.

1. Of each stream one batch is under way at a time. A sink that has but one stream calls it "".
2. Streams do not wait for each other. A batch may take as long as one of its lanes is throttled or halted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import anyio

from forwarder.delivery.destination import Routing
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

# How many batches are in memory at once, of which each has some megabytes; a batch that takes longer than these seconds makes room for another.
BATCHES = 4
SLOW_SECONDS = 10.0


class Resending:
    """Sends the letters of one sink that it is told to send."""

    def __init__(
        self,
        session: LeaderSession,
        *,
        sink: str,
        registry: Registry,
        maker: RecordMaker,
        relay: Relay,
        checkpoints: Checkpoints,
        streams: Routing | None,
    ) -> None:
        """``streams``: None if the sink has but one."""
        self._session = session
        self._sink = sink
        self._reader = EventReader(registry, Transactions(), CommitTimes(), letters_of=sink)
        self._maker = maker.for_letters(sink)
        self._relay = relay
        self._checkpoints = checkpoints
        self._streams = streams
        self._turns: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._batches = anyio.CapacityLimiter(BATCHES)

    def turn(self, stream: str) -> anyio.Lock:
        """Who sends letters to a stream holds this."""
        return self._turns[stream]

    async def send(self, seqs: Sequence[int], *, stream: str) -> int:
        """Send the first of these letters, as many as are read at once, and wait until each is delivered or set aside again.

        Returns:
            The seq of the last one; 0 if none was sent, since a table goes to another stream now.

        Raises:
            Unavailable: the session is lost.
        """
        async with self._batches:
            letters = await self._read(seqs)
            if not self._is_for(stream, letters):
                # A table was renamed meanwhile. Whoever asks next for letters of this stream does not get this table's.
                return 0
            # `forwarder replay --table` begins another epoch before it writes letters. If we have not noticed that yet, `prove` raises here.
            # Without it we would notice when the letters are sent and cannot be removed, and the next leader would send them once more.
            await self._checkpoints.prove()
            packed = await self._maker.records(letters.events, any_stored=True)
            await self._relay.offer_again(packed)
            with anyio.move_on_after(SLOW_SECONDS):
                await self._relay.delivered(packed)
        await self._relay.delivered(packed)
        # They are delivered. If a stop cancelled us here, they would be sent once more.
        with anyio.CancelScope(shield=True):
            # Letters that were set aside again are stored anew by the save. They have one attempt more then, so they are not dropped.
            await self._checkpoints.save()
            async with self._session.turn:
                await dead_letters.drop_delivered(self._session.connection, letters, sink=self._sink)
        return letters.last_seq

    async def _read(self, seqs: Sequence[int]) -> Due:
        async with self._session.turn:
            return await dead_letters.read_due(self._session.connection, self._reader, sink=self._sink, seqs=seqs)

    def _is_for(self, stream: str, letters: Due) -> bool:
        streams = self._streams
        return streams is None or all(streams.stream_of(event.table) == stream for event in letters.events)
