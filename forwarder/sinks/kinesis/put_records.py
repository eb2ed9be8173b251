"""The call of PutRecords, in one of two ways that differ in speed alone.

1. By an HTTP request that we make and sign (``forwarder.aws.signed_post``): some 10 µs a record less. It is in CBOR, where the endpoint
   takes that, else in JSON (``protocol_choice``). It rests on what botocore's events carry, which may change with its version, and its
   signature must equal botocore's. So it is tried at start, with a request that holds no record and does not leave the machine.
2. By botocore's ``put_records``, in JSON, if anything about the first way is not as expected, at start or later. After ten minutes the
   first way is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, TypeAlias

import anyio
import msgspec
from botocore.exceptions import ClientError

from forwarder.aws import cbor, redaction, signed_post
from forwarder.aws.call import aws_call
from forwarder.aws.errors import ACCESS_DENIED, KMS_REFUSALS, PASSING, code_of
from forwarder.aws.session import is_at_aws
from forwarder.aws.signed_post import SignedPost
from forwarder.config.sink_url import Protocol
from forwarder.errors import ForwarderError, Invalid, Unavailable
from forwarder.records.record import Record, data_bytes
from forwarder.sinks.kinesis import wire, wire_cbor, wire_json
from forwarder.sinks.kinesis.answer import Answer, answer_of, convert
from forwarder.sinks.kinesis.protocol_choice import ProtocolChoice
from forwarder.sinks.kinesis.wire import Slices, Wire

# What a dry run may find that waiting cannot mend. Every other error is left to the first real request, which says more.
_DENIALS = {ACCESS_DENIED, *KMS_REFUSALS}

# What a dry run ends with that would have succeeded.
_WOULD_SUCCEED = "DryRunOperationException"

# Errors of a post that the plain call would meet as well: they say nothing against the post.
_FORESEEN = (*PASSING, ClientError)

# What it raises to read an odd answer: it is nested too deep, is no UTF-8, or is no answer of PutRecords.
_ILLEGIBLE = (msgspec.DecodeError, cbor.Malformed, RecursionError, UnicodeDecodeError)

# The body of a request with more data than this is made in slices while it is sent. Made whole, it would be in memory beside the data, and
# again as what waits in its connection.
WHOLE_BYTES = 512 << 10

# How long the plain call is used before a post is tried again.
LEARN_AGAIN_SECONDS = 600.0

# What makes the requests in each format, by its name.
Posts: TypeAlias = Mapping[str, SignedPost]

logger = logging.getLogger(__name__)


class PutRecords:
    """One stream's PutRecords."""

    def __init__(self, client: Any, stream: str, *, protocol: Protocol = "auto") -> None:
        self._choice = ProtocolChoice(protocol)
        self._client = client
        self._stream = stream
        self._naming = wire.naming(stream)
        # When the way was chosen last, by the event loop's clock.
        self._chosen_at = -inf
        # Why no post was used when that was logged last; the same reason is not logged twice in a row.
        self._reason = ""
        # Why JSON was used in place of CBOR when that was logged last.
        self._blamed_for = ""
        # Empty: the plain call is used.
        self._posts: Posts = {}

    async def send(self, records: Sequence[Record]) -> Answer:
        """Make one request, and say what became of each record, in their order.

        Raises:
            Refused, Unavailable: no answer, or one for the whole request; any of the records may have been stored.
        """
        if not self._posts and self._chosen_at > -inf:
            await self.choose_way()
        size = data_bytes(records)
        with aws_call(f"stream {self._stream}", sent_bytes=size):
            try:
                answer = await (
                    self._send_by(self._posts, records, size) if self._posts else self._send_plainly(records)
                )
            except _ILLEGIBLE as error:
                raise Unavailable(
                    f"stream {self._stream}: cannot read the answer to PutRecords: {_named(error)}"
                ) from error
        if len(answer) != len(records):
            raise Unavailable(f"stream {self._stream}: {len(answer)} results for {len(records)} records")
        return answer

    async def lets_empty_pass(self) -> bool:
        """Whether a request without records gets as far as the stream, which stores nothing and refuses it as invalid."""
        try:
            with aws_call(f"stream {self._stream}"):
                answer = await self._client.put_records(Records=[], **self._naming)
                # A proxy or a portal that answers in the stream's place says 200 as well.
                return isinstance(answer.get("Records"), list)
        except Invalid:
            return True
        except ForwarderError:
            return False

    async def choose_way(self) -> None:
        """Find out whether a post can be used, unless that was tried in the last ten minutes. No record is sent.

        Raises:
            Refused, Unavailable: the credentials cannot be had.
        """
        now = anyio.current_time()
        if self._posts or now - self._chosen_at < LEARN_AGAIN_SECONDS:
            return
        with aws_call(f"stream {self._stream}"):
            await self._choose_way(now)

    async def _choose_way(self, now: float) -> None:
        await self._obtain_credentials()
        try:
            post = await signed_post.learn(self._client, "PutRecords", {"Records": [], **self._naming})
            self._posts = {wire.NAME: post.in_type(wire.CONTENT_TYPE) for wire in (wire_cbor, wire_json)}
        except Exception as error:  # noqa: BLE001 - a botocore that has changed may raise anything; the stream was not asked
            if _may_pass(error):
                # Most likely the credentials could not be had just now; it is tried again before the next request.
                return
            self._bar_post("this botocore does not let itself be copied: sending by its plain call, slower", error)
        self._chosen_at = now

    def body_bytes(self, records: Sequence[Record]) -> int:
        """The length of the body of a request for these records, without the part that names the stream."""
        return self._wire.body_bytes(records)

    @property
    def _wire(self) -> Wire:
        """What the next request is made in."""
        return self._choice.wire(anyio.current_time()) if self._posts else wire_json

    async def _send_by(self, posts: Posts, records: Sequence[Record], size: int) -> Answer:
        wire = self._wire
        try:
            answer = await self._request(posts, wire, records, size)
        except (ClientError, *_ILLEGIBLE) as error:
            if wire is wire_json or not self._choice.doubts(error):
                raise
            return await self._send_in_json(posts, records, size, error)
        if wire is wire_cbor:
            self._choice.prove()
        return answer

    async def _send_in_json(self, posts: Posts, records: Sequence[Record], size: int, error: Exception) -> Answer:
        """Send in JSON what has failed in CBOR, to see whether that is to blame."""
        reason = _named(error)
        if not self._choice.is_free:
            raise Unavailable(
                f"stream {self._stream}: {reason}; if the endpoint takes no CBOR, take protocol out of the sink's URL"
            )
        answer = await self._request(posts, wire_json, records, size)
        if self._choice.blame(anyio.current_time()) and reason != self._blamed_for:
            self._blamed_for = reason
            logger.info("the endpoint takes no CBOR: sending in JSON", extra={"reason": reason})
        return answer

    async def _request(self, posts: Posts, wire: Wire, records: Sequence[Record], size: int) -> Answer:
        body = wire.encode(self._stream, records) if size <= WHOLE_BYTES else Slices(wire, self._stream, records)
        await self._obtain_credentials()
        try:
            answer = await posts[wire.NAME].send(body)
        except _FORESEEN:
            raise
        except Exception as error:
            self._bar_post(
                "a request of our own making failed oddly: sending by botocore's plain call for a while", error
            )
            raise Unavailable(f"stream {self._stream}: {_named(error)}") from error
        return wire.decode(answer)

    async def _obtain_credentials(self) -> None:
        """Have botocore renew the credentials, if need be. This is a step of its own: its errors say nothing against the post."""
        if credentials := self._client._request_signer._credentials:
            await credentials.get_frozen_credentials()

    def _bar_post(self, what: str, error: Exception) -> None:
        self._posts, self._chosen_at = {}, anyio.current_time()
        before, self._reason = self._reason, _named(error)
        if self._reason != before:
            logger.warning(what, extra={"reason": self._reason})

    async def _send_plainly(self, records: Sequence[Record]) -> Answer:
        entries = [
            {"Data": wire.payload(record), "PartitionKey": record.partition_key}
            | ({} if record.hash_key is None else {"ExplicitHashKey": str(record.hash_key)})
            for record in records
        ]
        answer = await self._client.put_records(Records=entries, **self._naming)
        return answer_of(convert(answer.get("Records")))

    async def rehearse(self, *, endpoint_knows_dry_runs: bool) -> bool:
        """Ask the stream whether it would let us write. Nothing is stored.

        An endpoint that does not know ``DryRun`` would store the record, so one that is not AWS's own is asked only on the
        caller's word.

        Returns:
            Whether it has said that it would. If not, it was not asked, or has said something else that only a real request can make clear.

        Raises:
            Refused: permission is missing, or the stream's KMS key cannot be used.
        """
        operation = self._client.meta.service_model.operation_model("PutRecords")
        if "DryRun" not in operation.input_shape.members or not (endpoint_knows_dry_runs or is_at_aws(self._client)):
            return False
        record = {"Data": b"{}", "PartitionKey": "forwarder"}
        with aws_call(f"stream {self._stream}"):
            try:
                await self._client.put_records(Records=[record], DryRun=True, **self._naming)
            except ClientError as error:
                if error.operation_name != "PutRecords" or code_of(error) in _DENIALS:
                    raise
                return code_of(error) == _WOULD_SUCCEED
        return False


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {redaction.sentence(error)}"


def _may_pass(error: Exception) -> bool:
    """Whether the error says nothing of this version of botocore."""
    return isinstance(error, PASSING) or (isinstance(error, ClientError) and error.operation_name != "PutRecords")
