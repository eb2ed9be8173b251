"""One Kinesis stream: whether it may be written to, keeps the order, and how much it takes. No record is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from forwarder.aws.credentials_source import source_of
from forwarder.config.sink_url import KinesisTarget
from forwarder.doctor.capacity import judge_capacity
from forwarder.doctor.clock import judge_aws_clock
from forwarder.doctor.credentials import judge_credentials
from forwarder.doctor.finding import Finding, Verdict, failure, note, of_error, of_sentence, ok, warning
from forwarder.doctor.guard import guarded
from forwarder.doctor.load import Load
from forwarder.errors import Refused, Unavailable
from forwarder.quantities import size
from forwarder.sinks.kinesis.put_records import PutRecords
from forwarder.sinks.kinesis.shard_list import ShardList
from forwarder.sinks.kinesis.stream_summary import StreamSummary
from forwarder.sinks.kinesis.stream_watch import WRITABLE, KinesisWatch

_REACH = "check the network (NAT, VPC endpoint, security group), and region and endpoint_url in the sink's URL"
_PUT = "permission PutRecords"
_LIST = "permission ListShards"


class StreamExamination:
    """Asks one stream."""

    def __init__(self, client: Any, target: KinesisTarget, *, load: Load | None) -> None:
        """``load``: how much is captured; None: it is not known."""
        self._client = client
        self._target = target
        self._stream = target.stream
        self._load = load
        # Without any nothing more can be asked.
        self._has_credentials = False
        self._watch = KinesisWatch(client, target.stream, is_ordered=target.ordering == "strict")

    async def run(self, found: list[Finding]) -> None:
        """Look at all of it, and put what is found into ``found`` as it comes."""
        found += await guarded("credentials", self._credentials)
        if not self._has_credentials:
            return
        found += await guarded("stream", self._state)
        if self._watch.summary:
            found += await guarded(_PUT, self._writing)
            found += await guarded(_LIST, self._listing)

    async def _state(self) -> Iterable[Finding]:
        asked_at = datetime.now(UTC)
        try:
            await self._watch.look()
        except Unavailable as error:
            await self._watch.require_possible(error)
            found = of_error("stream", error)
            return [failure(found.subject, found.text, remedy=found.remedy or _REACH)]
        summary = self._watch.summary
        assert summary is not None, "a look without an error has one"
        return [
            *judge_stream(summary, self._target, self._watch.objection, max_record_bytes=self._watch.max_record_bytes),
            judge_capacity(self._load, summary, self._target),
            *([judge_aws_clock((summary.answered_at - asked_at).total_seconds())] if summary.answered_at else []),
        ]

    async def _credentials(self) -> Iterable[Finding]:
        source = await source_of(self._client, f"stream {self._stream}")
        self._has_credentials = source is not None
        return [judge_credentials(source, now=datetime.now(UTC))]

    async def _writing(self) -> Iterable[Finding]:
        rehearse = PutRecords(self._client, self._stream).rehearse
        return [judge_rehearsal(would_succeed=await rehearse(endpoint_knows_dry_runs=self._watch.tells_distribution))]

    async def _listing(self) -> Iterable[Finding]:
        try:
            shards = await ShardList(self._client, self._stream).read()
        except Refused as error:
            found = of_error(_LIST, error)
            return [
                warning(_LIST, f"{found.text}; shards that throttle cannot be paced one by one", remedy=found.remedy)
            ]
        return [ok(_LIST, f"it may be called, and lists {len(shards)} open shards")]


def judge_stream(
    summary: StreamSummary, target: KinesisTarget, objection: str | None, *, max_record_bytes: int
) -> Iterator[Finding]:
    """``objection``: why a listener would not write to it now."""
    if summary.status not in WRITABLE:
        yield _unwritable(summary, target)
    else:
        mode = {"ON_DEMAND": "on demand", "PROVISIONED": "provisioned"}.get(
            summary.mode or "", "in a mode that is not told"
        )
        yield ok("stream", f"{target.stream} is {summary.status}, {mode}, with {summary.open_shards} open shards")
    if objection and summary.distribution == "AUTO":
        yield of_sentence("order", Verdict.FAILURE, objection)
    elif summary.distribution is None and summary.mode != "PROVISIONED":
        yield note("order", "the endpoint does not tell whether records go by their partition keys")
    else:
        # A provisioned stream cannot do otherwise, and need not tell.
        by = "by their partition keys" if summary.distribution != "AUTO" else "anywhere, and ordering=none allows that"
        yield ok("order", f"records go {by}")
    yield ok("record limit", f"{size(max_record_bytes)} a record; what is larger: oversize={target.oversize.kind}")
    if summary.encryption == "KMS":
        yield ok(
            "encryption", f"by the KMS key {summary.key_id}; the dry run of PutRecords shows whether it can be used"
        )
    else:
        yield ok("encryption", "no KMS key of yours is needed")


def _unwritable(summary: StreamSummary, target: KinesisTarget) -> Finding:
    text = f"{target.stream} is {summary.status}"
    if summary.status == "CREATING":
        return warning("stream", text, remedy="wait; `forwarder listen` would wait, too")
    return failure("stream", text, remedy="create it anew when it is gone, or correct the stream in the sink's URL")


def judge_rehearsal(*, would_succeed: bool) -> Finding:
    """What a PutRecords with DryRun has said, which checks policy and KMS key and stores nothing."""
    if would_succeed:
        return ok(_PUT, "a dry run would have succeeded")
    return note(
        _PUT,
        "cannot be told without storing a record: the endpoint has answered the dry run otherwise, or does not know it",
        remedy="compare the policy of the role with the one that `forwarder ecs` prints",
    )
