"""The call of PutRecords: prepared bytes past botocore's serialiser where this version of it lets them pass, else as it is meant.

The first way rests on botocore's own events, which are public, and on what they carry, which may change. So it is tried at
start, with a far side that stands in for the stream and lets nothing out. If anything is not as expected, the second way
is taken from then on: slower by some 10 µs a record, and otherwise the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiobotocore.awsrequest import AioAWSResponse
from botocore.exceptions import ClientError

from forwarder import kinesis_wire
from forwarder.errors import Unavailable
from forwarder.events import Record
from forwarder.kinesis_errors import ACCESS_DENIED, KMS_REFUSALS, code_of, errors_of
from forwarder.kinesis_wire import Result

# No record, so that it does no harm even if it should reach the stream.
_TRIAL_BODY = b'{"Records":[]}'
_TRIAL_ANSWER = b'{"Records":[{"ShardId":"shardId-0","SequenceNumber":"1"}]}'

# What a dry run may find that waiting cannot mend; whatever else it meets, the first real request will tell better.
_DENIALS = {ACCESS_DENIED, *KMS_REFUSALS}

# An answer that is given here is taken for that of the network.
_BEFORE_SEND = "before-send.kinesis.PutRecords"

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")

logger = logging.getLogger(__name__)


class PutRecords:
    """One stream's PutRecords."""

    def __init__(self, client: Any, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._naming = kinesis_wire.naming(stream)
        self._is_tried = False
        self._is_prepared = True
        kinesis_wire.install(client)

    async def send(self, records: Sequence[Record]) -> Sequence[Result]:
        """Make one request; what became of each record, in their order.

        Raises:
            Refused, Unavailable: no answer, or one for the whole request; any of the records may have been stored.
        """
        content = kinesis_wire.encode(self._stream, records) if self._is_prepared else _entries(records)
        with errors_of(f"stream {self._stream}"):
            answer = await self._client.put_records(Records=content, **self._naming)
        try:
            results = kinesis_wire.decode(answer.get("Body", b"")) if self._is_prepared else _results(answer)
        except msgspec.DecodeError as error:
            raise Unavailable(f"stream {self._stream}: cannot read the answer to PutRecords: {error}") from error
        if len(results) != len(records):
            raise Unavailable(f"stream {self._stream}: {len(results)} results for {len(records)} records")
        return results

    async def choose_way(self) -> None:
        """Find out, at the first call, which way this version of botocore allows. Nothing is sent."""
        if self._is_tried:
            return
        self._is_tried = True
        try:
            await self._try_prepared()
        except Exception as error:  # noqa: BLE001 - a botocore that has changed may raise anything; the stream was not asked
            kinesis_wire.uninstall(self._client)
            self._is_prepared = False
            facts = {"reason": f"{type(error).__name__}: {error}"}
            logger.warning("this botocore takes no prepared requests: sending by its plain call, slower", extra=facts)

    async def rehearse(self, *, endpoint_knows_dry_runs: bool) -> None:
        """Ask the stream whether it would let us write. Nothing is stored.

        An endpoint that does not know ``DryRun`` would store the record, so one that is not AWS's own is asked only on the
        caller's word.

        Raises:
            Refused: permission is missing, or the stream's KMS key cannot be used.
        """
        operation = self._client.meta.service_model.operation_model("PutRecords")
        if "DryRun" not in operation.input_shape.members or not (endpoint_knows_dry_runs or self._is_at_aws):
            return
        record = {"Data": b"{}", "PartitionKey": "forwarder"}
        with errors_of(f"stream {self._stream}"):
            try:
                await self._client.put_records(Records=[record], DryRun=True, **self._naming)
            except ClientError as error:
                if error.operation_name != "PutRecords" or code_of(error) in _DENIALS:
                    raise

    @property
    def _is_at_aws(self) -> bool:
        return (urlsplit(self._client.meta.endpoint_url).hostname or "").endswith(_AWS_DOMAINS)

    async def _try_prepared(self) -> None:
        """Make a request that ends at a stand-in.

        Raises:
            Exception: of any kind; the prepared way is barred.
        """
        far_side = _StandIn()
        self._client.meta.events.register_first(_BEFORE_SEND, far_side.answer)
        try:
            answer = await self._client.put_records(Records=_TRIAL_BODY, **self._naming)
        finally:
            self._client.meta.events.unregister(_BEFORE_SEND, far_side.answer)
        if far_side.body != _TRIAL_BODY:
            raise ValueError("another body is sent than was given")
        if answer.get("Body") != _TRIAL_ANSWER:
            raise ValueError("the answer's body is not handed over")


class _StandIn:
    """Takes a signed request in place of the network, and answers it."""

    def __init__(self) -> None:
        self.body: object = None

    def answer(self, request: Any, **_: Any) -> AioAWSResponse:
        self.body = request.body
        return AioAWSResponse(request.url, 200, {}, self)

    async def read(self) -> bytes:
        return _TRIAL_ANSWER


def _entries(records: Sequence[Record]) -> Sequence[dict[str, Any]]:
    return [{"Data": kinesis_wire.payload(record), "PartitionKey": record.partition_key} for record in records]


def _results(answer: dict[str, Any]) -> Sequence[Result]:
    """As ``kinesis_wire.decode`` reads them.

    Raises:
        msgspec.DecodeError: the answer is not one of PutRecords.
    """
    return msgspec.convert(answer.get("Records"), list[Result])
