"""A local Kinesis that counts the records it is sent."""

import time

import anyio

from forwarder.local.kinesis import LocalKinesis
from forwarder.local.kinesis.exchange import Body
from forwarder.local.kinesis.faults import Decision
from forwarder.local.kinesis.operations import Call
from forwarder.local.kinesis.protocol import PutRecordsRequest


class Tally(LocalKinesis):
    """Stores nothing. Each count begins with ``restart``; times are those of ``time.perf_counter``."""

    def __init__(self) -> None:
        super().__init__(limits=False, discard=True)
        self.restart()

    def restart(self) -> None:
        """Count from 0 again."""
        self.records = 0
        self.first_at = self.last_at = 0.0
        self._wanted = 0
        self._reached = anyio.Event()

    async def reach(self, records: int) -> None:
        """Return when so many were stored since the count began."""
        self._wanted = records
        if self.records < records:
            await self._reached.wait()

    def answer(self, call: Call, decision: Decision) -> Body:
        body = super().answer(call, decision)
        if isinstance(call.request, PutRecordsRequest):
            self.last_at = time.perf_counter()
            self.first_at = self.first_at or self.last_at
            self.records += len(call.request.records)
            if self.records >= self._wanted:
                self._reached.set()
        return body
