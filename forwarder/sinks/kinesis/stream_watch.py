"""Asks a stream for its state, at start and every half minute while we deliver: may it be written to, and how large may a record be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
from botocore.exceptions import ClientError, EndpointConnectionError

from forwarder.aws.call import aws_call
from forwarder.aws.errors import ACCESS_DENIED, KMS_REFUSALS, code_of
from forwarder.aws.session import is_at_aws, lists_region
from forwarder.backoff import Backoff
from forwarder.errors import ForwarderError, Refused, Unavailable
from forwarder.health import ServiceState
from forwarder.logs import Throttled
from forwarder.sinks.kinesis import wire
from forwarder.sinks.kinesis.stream_summary import StreamSummary, summary_of

# DescribeStreamSummary is limited to 20 calls a second and account.
LOOK_SECONDS = 30.0
# How often it is asked while nothing may be sent.
LOOK_AGAIN_SECONDS = 2.0

WRITABLE = ("ACTIVE", "UPDATING")
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateMaxRecordSize.html
LEAST_MAX_RECORD_KIB = 1024
MOST_MAX_RECORD_KIB = 10_240

_IGNORES_KEYS = (
    "distributes records by itself (RecordDistributionStrategy AUTO) and ignores partition keys, so that no order can be kept; "
    "set it to USER_PARTITION_KEY (aws kinesis update-stream-record-distribution-strategy), or add ordering=none to the sink's URL"
)

# Errors that say something of this one stream, and nothing of others.
_OF_STREAM = {"ResourceNotFoundException", ACCESS_DENIED, *KMS_REFUSALS}

logger = logging.getLogger(__name__)


class StreamBarred(Unavailable):
    """This stream must not be written to, or is missing; others may be well."""


def is_of_stream(error: Refused) -> bool:
    """Whether an error is about the one stream that was asked, and not about credentials or the endpoint."""
    return isinstance(error.__cause__, ClientError) and code_of(error.__cause__) in _OF_STREAM


class KinesisWatch:
    """What one stream says of its state; while ``objection`` is not None, nothing may be sent to it.

    A stream in on-demand mode can be switched, at any time, to distribute records over its shards without regard to their partition keys.
    It would go on to accept records, and their order would be lost without any error.
    """

    def __init__(
        self, client: Any, stream: str, *, is_ordered: bool, report: Callable[[str], None] = lambda _: None
    ) -> None:
        """``report`` is told what is waited for before the first record can be sent."""
        self._client = client
        self._stream = stream
        self._is_ordered = is_ordered
        self._report_waiting = report
        # Why nothing may be sent; None: it may.
        self.objection: str | None = None
        # The most that data and partition key of one record may be together.
        self.max_record_bytes = LEAST_MAX_RECORD_KIB << 10
        # What the stream has said last; None: it was not asked yet.
        self.summary: StreamSummary | None = None
        self._complaints = Throttled(seconds=300.0)

    @property
    def tells_distribution(self) -> bool:
        """Whether the endpoint says how records are distributed, as only endpoints of a recent version do."""
        return self.summary is not None and self.summary.distribution is not None

    async def until_ready(self) -> None:
        """Wait for an endpoint that does not answer yet, and for a stream that is being created, and say so.

        Raises:
            Refused: waiting cannot mend it.
        """
        backoff = Backoff(first_seconds=0.2, max_seconds=5.0)
        while True:
            try:
                status = await self.look()
            except Unavailable as error:
                await self.require_possible(error)
                self._report_waiting(str(error))
                logger.warning("waiting for the stream's endpoint", extra={"reason": str(error)})
            else:
                if status in WRITABLE:
                    break
                if status == "DELETING":
                    raise Refused(f"stream {self._stream} is being deleted; create it again or name another")
                self._report_waiting(f"stream {self._stream} is {status}")
                logger.info("waiting for the stream", extra={"stream": self._stream, "status": status})
            await anyio.sleep(backoff.next())
        if self.objection:
            raise Refused(self.objection)

    async def require_possible(self, error: Unavailable) -> None:
        """Make sure that the region exists, when no host of the endpoint's name is found.

        Raises:
            Refused: it does not, so waiting is in vain.
        """
        is_unheard_of = isinstance(error.__cause__, EndpointConnectionError)
        if is_unheard_of and is_at_aws(self._client) and not await lists_region(self._client):
            region = self._client.meta.region_name
            raise Refused(
                f"{error}; region {region!r} is unknown to this AWS SDK: correct it in the sink's URL"
            ) from error

    async def run(self, state: ServiceState) -> None:
        """Look again every half minute until cancelled. As long as there is an objection, it is the state's trouble."""
        while True:
            await anyio.sleep(LOOK_AGAIN_SECONDS if self.objection else LOOK_SECONDS)
            before = self.objection
            try:
                await self.look()
            except ForwarderError as error:
                # Delivery goes on: if the stream cannot be written to, the next request finds out.
                if self._complaints.due("look"):
                    logger.warning("cannot look after the stream", extra={"reason": str(error)})
            self._report(state, before=before)

    def _report(self, state: ServiceState, *, before: str | None) -> None:
        if self.objection:
            # Set each time: the answer to a request that was sent before may have cleared it.
            state.trouble = self.objection
            if not before:
                logger.error("delivery is stopped", extra={"reason": self.objection})
        elif before:
            logger.info("delivery goes on", extra={"stream": self._stream})
            if state.trouble == before:
                state.trouble = None

    async def look(self) -> str:
        """Ask the stream; its status, such as ACTIVE. The attributes are set to what else it says.

        Raises:
            Refused: there is no such stream, or we may not use it.
            Unavailable: nobody answers.
        """
        # An odd answer may raise anything when it is read.
        with aws_call(f"stream {self._stream}"):
            answer = await self._client.describe_stream_summary(**wire.naming(self._stream))
            return self._take_over(summary_of(answer))

    def _take_over(self, summary: StreamSummary | None) -> str:
        if summary is None:
            raise Refused(
                f"stream {self._stream}: the endpoint does not speak Kinesis; check endpoint_url in the sink's URL"
            )
        self.summary = summary
        self.max_record_bytes = self._max_record_bytes(summary.max_record_kib)
        self.objection = self._objection_to(summary.status, summary.distribution)
        return summary.status

    def _max_record_bytes(self, kib: Any) -> int:
        """The limit that the stream says; the one before if it says none, or one that cannot be.

        A limit that is too low by mistake would send good records to the dead letters.
        """
        if not isinstance(kib, int) or kib < LEAST_MAX_RECORD_KIB:
            if kib is not None and self._complaints.due("limit"):
                facts = {"stream": self._stream, "told": f"{kib!r:.40}", "max_record_bytes": self.max_record_bytes}
                logger.warning("the stream tells an odd limit for records: keeping the one before", extra=facts)
            return self.max_record_bytes
        return min(kib, MOST_MAX_RECORD_KIB) << 10

    def _objection_to(self, status: str, distribution: str | None) -> str | None:
        if status not in WRITABLE:
            return f"stream {self._stream} is {status}; it must be ACTIVE"
        if self._is_ordered and distribution == "AUTO":
            return f"stream {self._stream} {_IGNORES_KEYS}"
        return None
