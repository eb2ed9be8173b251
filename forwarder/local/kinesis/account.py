"""The streams of the one AWS account that this server stands for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from forwarder.local.kinesis import errors
from forwarder.local.kinesis.constraints import ARN, NAME, demand, matches
from forwarder.local.kinesis.protocol import OfStream
from forwarder.local.kinesis.shards import uniform
from forwarder.local.kinesis.stream import Identity, Status, Stream, StreamSettings

SHARD_LIMIT = 20_000
CREATING_LIMIT = 5


class Account:
    """Creates, finds and forgets streams.

    Args:
        limits: enforce the rates of the shards.
        discard: check and answer everything, store no record.
        transition_seconds: how long a stream stays CREATING, UPDATING or DELETING.
    """

    def __init__(self, *, account_id: str, region: str, limits: bool, discard: bool, transition_seconds: float) -> None:
        self.account_id = account_id
        self.streams: dict[str, Stream] = {}
        self._region = region
        self._limits = limits
        self._discard = discard
        self._transition_seconds = transition_seconds

    def settle(self, *, now: float) -> None:
        """Let every change that is due take effect."""
        for stream in list(self.streams.values()):
            stream.settle(now=now)

    def create(self, name: str, *, shard_count: int, settings: StreamSettings, now: float) -> None:
        """Begin to create a stream. The request has been checked."""
        stream = Stream(
            Identity(name=name, account_id=self.account_id, region=self._region),
            settings=settings,
            shards=uniform(shard_count, now=now),
            limits=self._limits,
            discard=self._discard,
            now=now,
        )
        self.streams[name] = stream
        self.change(stream, "CREATING", lambda _: None, now=now)

    def change(self, stream: Stream, status: Status, apply: Callable[[float], None], *, now: float) -> None:
        """Begin a change that takes effect after the transition time."""
        stream.begin(status, apply, due_at=self.due_at(now))
        stream.settle(now=now)

    def due_at(self, now: float) -> float:
        """When a change that is begun now takes effect."""
        return now + self._transition_seconds

    def find(self, request: OfStream) -> Stream:
        """The stream that a request names by name, ARN or both.

        Only the name inside an ARN counts: a local server has no region or account of its own to insist on.
        """
        demand(
            matches(request.stream_name, "streamName", pattern=NAME),
            matches(request.stream_arn, "streamARN", pattern=ARN),
        )
        name = name_in(request)
        if name is None:
            raise errors.invalid_argument("Either StreamName or StreamARN must be provided.")
        if request.stream_name is not None and request.stream_name != name:
            raise errors.invalid_argument("StreamName and StreamARN do not refer to the same stream.")
        return self.named(name)

    def named(self, name: str) -> Stream:
        stream = self.streams.get(name)
        if stream is None:
            raise errors.not_found(f"Stream {name} under account {self.account_id} not found.")
        return stream

    def find_active(self, request: OfStream) -> Stream:
        """The stream of a request that changes it: nothing else may be under way."""
        stream = self.find(request)
        if stream.status != "ACTIVE":
            raise errors.in_use(f"{stream.identity} not ACTIVE, instead in state {stream.status}")
        return stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an operation acts on besides its request."""

    account: Account
    now: float
    # The region of the client, which its signature names.
    region: str | None = None
    # For records that are to fail: their position in the request, and the error code they get.
    failed_records: Mapping[int, str] = field(default_factory=dict)


def name_in(request: OfStream) -> str | None:
    """The name of the stream that a request is about, out of its ARN if it has one."""
    if request.stream_arn is not None:
        return stream_in(request.stream_arn)
    return request.stream_name


def stream_in(arn: str) -> str:
    """The name of a stream, out of its ARN or that of something that belongs to it."""
    return arn.partition(":stream/")[2].partition("/")[0]


def open_shard_count(stream: Stream) -> int:
    return sum(shard.is_open for shard in stream.shards)
