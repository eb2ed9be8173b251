"""The local Kinesis itself, without HTTP: an account, a script of faults and a clock."""

import time
from collections.abc import Callable, Iterable, Mapping

import anyio

from forwarder.local.kinesis.account import Account, Context
from forwarder.local.kinesis.administration import create_stream
from forwarder.local.kinesis.exchange import Body
from forwarder.local.kinesis.fan_out import Feed
from forwarder.local.kinesis.faults import AnyFault, Decision, Script
from forwarder.local.kinesis.operations import Call
from forwarder.local.kinesis.protocol import CreateStreamRequest, Record
from forwarder.local.kinesis.stream import Stream


class LocalKinesis:
    """Answers the calls of the Kinesis API from memory; see ``server.serve``.

    Args:
        limits: enforce the rates of the shards; sizes and counts are checked in any case.
        discard: check and answer everything, store no record.
        faults: what goes wrong from the start; ``faults.replace`` changes it later.
        transition_seconds: how long a stream stays CREATING, UPDATING or DELETING.
        clock: seconds of the Unix epoch.
    """

    def __init__(
        self,
        *,
        limits: bool = True,
        discard: bool = False,
        faults: Iterable[AnyFault] = (),
        transition_seconds: float = 0.0,
        account_id: str = "000000000000",
        region: str = "us-east-1",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.faults = Script(faults)
        self._clock = clock
        self._stored = anyio.Event()
        self._account = Account(
            account_id=account_id,
            region=region,
            limits=limits,
            discard=discard,
            transition_seconds=transition_seconds,
        )

    def create_stream(self, name: str, *, shards: int = 1) -> Stream:
        """Do what CreateStream does.

        Raises:
            KinesisError: the name is invalid or taken.
        """
        request = CreateStreamRequest(stream_name=name, shard_count=shards)
        create_stream(request, self._context())
        return self._account.named(name)

    def stream(self, name: str) -> Stream:
        """A stream as it is now, for tests that look at its ``shards``, ``status`` and ``records()``."""
        self._account.settle(now=self._clock())
        return self._account.named(name)

    async def wait_for_records(self, count: int, *, stream: str) -> list[Record]:
        """Wait until the stream has ``count`` records or more, and return all of them."""
        while self.stream(stream).record_count < count:
            await self._stored.wait()
        return self.stream(stream).records()

    def decide(self, call: Call) -> Decision:
        """What the script of faults does to this call. To be asked once for each call, since it counts."""
        return self.faults.decide(call.operation.name, stream=call.stream, partition_keys=call.partition_keys)

    def answer(self, call: Call, decision: Decision) -> Body:
        """Act on a call, and return the body of its response; that of a subscription comes in parts, as records do.

        Raises:
            KinesisError: the request is refused.
        """
        failed = {position: fault.error_code for position, fault in decision.failed_records.items()}
        body = call.answer(self._context(region=call.region, failed_records=failed))
        self._stored.set()
        self._stored = anyio.Event()
        if isinstance(body, Feed):
            return body.messages(call.codec, clock=self._clock, stored=self._next_change)
        return body

    def _next_change(self) -> anyio.Event:
        """Set when anything has been done after this was asked for."""
        self._account.settle(now=self._clock())
        return self._stored

    def _context(self, *, region: str | None = None, failed_records: Mapping[int, str] | None = None) -> Context:
        return Context(account=self._account, now=self._clock(), region=region, failed_records=failed_records or {})
