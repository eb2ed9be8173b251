"""A local Kinesis that notes when the records of pgbench's updates arrive."""

import time
from collections.abc import Mapping

import msgspec

from bench.pgbench import Send
from forwarder.local.kinesis import LocalKinesis
from forwarder.local.kinesis.exchange import Body
from forwarder.local.kinesis.faults import Decision
from forwarder.local.kinesis.operations import Call
from forwarder.local.kinesis.protocol import PutRecordsRequest


class _Row(msgspec.Struct):
    sender: int
    sent: int


class _Event(msgspec.Struct):
    op: str
    after: _Row | None


_EVENT = msgspec.json.Decoder(_Event)
_ROW = msgspec.json.Decoder(_Row)


class Arrivals(LocalKinesis):
    """Notes, by the system's clock, when each record was first stored and its acknowledgement was ready to be sent."""

    def __init__(self) -> None:
        super().__init__(discard=True)
        self._noted: dict[Send, float] = {}

    def answer(self, call: Call, decision: Decision) -> Body:
        body = super().answer(call, decision)
        if isinstance(call.request, PutRecordsRequest):
            now = time.time()
            for entry in call.request.records:
                event = _EVENT.decode(entry.data)
                if event.op == "update" and event.after:
                    self._noted.setdefault((event.after.sender, event.after.sent), now)
        return body

    def __len__(self) -> int:
        return len(self._noted)

    def take(self) -> Mapping[Send, float]:
        """When each record first arrived; forgets them."""
        noted, self._noted = self._noted, {}
        return noted


def send_of(row: str) -> Send:
    """Whose update an image of a row comes from."""
    found = _ROW.decode(row)
    return found.sender, found.sent
