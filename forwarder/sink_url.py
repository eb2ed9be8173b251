"""What a sink URL says. Pure: a text goes in, a frozen description or an error with the remedy comes out."""

from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from forwarder.errors import Misconfigured
from forwarder.suggestions import nearest

Format = Literal["native"]
PartitionKey = Literal["primary-key", "table"]
Aggregation = Literal["none", "kpl"]

_Choice = TypeVar("_Choice", bound=str)

FORMATS: tuple[Format, ...] = ("native",)
PARTITION_KEYS: tuple[PartitionKey, ...] = ("primary-key", "table")
AGGREGATIONS: tuple[Aggregation, ...] = ("none", "kpl")

_COMMON_OPTIONS = ("format", "partition_key", "prefix")
_KINESIS_OPTIONS = ("region", "endpoint_url", "aggregation")

EXAMPLES = "kinesis://STREAM?region=eu-west-1, stdout: or file:PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class KinesisTarget:
    """A Kinesis data stream. Region and endpoint fall back to what the AWS SDK finds in its environment."""

    stream: str
    region: str | None
    endpoint_url: str | None
    aggregation: Aggregation

    def __str__(self) -> str:
        return f"kinesis://{self.stream}"


@dataclass(frozen=True, slots=True)
class StdoutTarget:
    """Standard output, one JSON record a line."""

    def __str__(self) -> str:
        return "stdout:"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTarget:
    """A file that grows, one JSON record a line."""

    path: str

    def __str__(self) -> str:
        return f"file:{self.path}"


Target = KinesisTarget | StdoutTarget | FileTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkUrl:
    """A target, what its records look like, and what decides their order and shard."""

    target: Target
    format: Format
    partition_key: PartitionKey
    prefix_key: bool


def parse(url: str) -> SinkUrl:
    """Read a sink URL such as ``kinesis://changes?region=eu-west-1&partition_key=table``.

    Raises:
        Misconfigured: the URL is malformed, or names an unknown sink kind, option or value.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise Misconfigured(f"sink URL {url!r} is malformed: {error}; examples: {EXAMPLES}") from None
    options = dict(pairs)
    known = _COMMON_OPTIONS + (_KINESIS_OPTIONS if parts.scheme == "kinesis" else ())
    for name in options:
        if name not in known:
            raise Misconfigured(f"sink URL {url!r}: unknown option {name!r}; {nearest(name, known)}")
    if len(options) < len(pairs):
        raise Misconfigured(f"sink URL {url!r} gives an option twice; leave one of them out")
    return SinkUrl(
        target=_target(url, parts.scheme, unquote(parts.netloc), unquote(parts.path), options),
        format=_choice(url, "format", options.get("format", FORMATS[0]), FORMATS),
        partition_key=_choice(url, "partition_key", options.get("partition_key", PARTITION_KEYS[0]), PARTITION_KEYS),
        prefix_key=_choice(url, "prefix", options.get("prefix", "true"), ("true", "false")) == "true",
    )


def _target(url: str, scheme: str, host: str, path: str, options: dict[str, str]) -> Target:
    if scheme == "kinesis":
        if not host or path.strip("/"):
            raise Misconfigured(f"sink URL {url!r} names no stream; write kinesis://STREAM?region=eu-west-1")
        return KinesisTarget(
            stream=host,
            region=options.get("region"),
            endpoint_url=options.get("endpoint_url"),
            aggregation=_choice(url, "aggregation", options.get("aggregation", AGGREGATIONS[0]), AGGREGATIONS),
        )
    if scheme == "stdout":
        if host or path:
            raise Misconfigured(f"sink URL {url!r}: standard output has no name; write stdout:")
        return StdoutTarget()
    if scheme == "file":
        if host or not path:
            raise Misconfigured(
                f"sink URL {url!r} names no path; write file:changes.jsonl or file:/var/tmp/changes.jsonl"
            )
        return FileTarget(path=path)
    raise Misconfigured(f"sink URL {url!r}: unknown sink kind {scheme!r}; examples: {EXAMPLES}")


def _choice(url: str, option: str, value: str, known: tuple[_Choice, ...]) -> _Choice:
    for choice in known:
        if value == choice:
            return choice
    raise Misconfigured(f"sink URL {url!r}: {option}={value!r} is unknown; {nearest(value, known)}")
