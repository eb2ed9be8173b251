"""Reads a sink URL. Pure: a text goes in, a frozen description or an error with the remedy comes out."""

import re
from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from forwarder.config import formats, partition_key, stream_template
from forwarder.config.formats import Dms, Format
from forwarder.config.partition_key import KeyRule
from forwarder.config.suggestions import nearest
from forwarder.errors import Misconfigured

Aggregation = Literal["none", "kpl"]
Ordering = Literal["strict", "none"]
OversizeKind = Literal["dead-letter", "drop-before", "s3", "stop"]
Compression = Literal["none", "gzip", "zstd"]
OnPoison = Literal["dead-letter", "halt-lane"]
Protocol = Literal["auto", "cbor", "json"]

_Choice = TypeVar("_Choice", bound=str)

AGGREGATIONS: tuple[Aggregation, ...] = ("none", "kpl")
ORDERINGS: tuple[Ordering, ...] = ("strict", "none")
ON_POISON: tuple[OnPoison, ...] = ("dead-letter", "halt-lane")
PROTOCOLS: tuple[Protocol, ...] = ("auto", "cbor", "json")
_OVERSIZE_KINDS: tuple[OversizeKind, ...] = ("dead-letter", "drop-before", "s3", "stop")
COMPRESSIONS: tuple[Compression, ...] = ("none", "gzip", "zstd")
_BOOLEANS = ("false", "true")

_COMMON_OPTIONS = ("format", *partition_key.OPTIONS)
_ACCESS_OPTIONS = ("region", "endpoint_url", "fips", "profile", "role_arn", "external_id")
_FRAMING_OPTIONS = ("newline", "compression")
_KINESIS_OPTIONS = (
    *_ACCESS_OPTIONS,
    *_FRAMING_OPTIONS,
    "aggregation",
    "ordering",
    "oversize",
    "on_poison",
    "protocol",
)

# As in botocore's model of Kinesis; the group of the region is ours.
_STREAM_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_STREAM_ARN = re.compile(r"arn:aws[a-z-]*:kinesis:(?P<region>[a-z0-9-]+):\d{12}:stream/[a-zA-Z0-9_.-]{1,128}")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")

EXAMPLES = "kinesis://STREAM?region=eu-west-1, stdout: or file:PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversize:
    """What becomes of a record above the stream's limit; ``bucket`` and ``prefix`` say where s3 puts it."""

    kind: OversizeKind
    bucket: str = ""
    # Empty, or with a slash at its end.
    prefix: str = ""


DEAD_LETTER = Oversize(kind="dead-letter")


@dataclass(frozen=True, slots=True, kw_only=True)
class KinesisTarget:
    """A Kinesis data stream. Where something is None, the AWS SDK finds it in its environment."""

    # Its name or its ARN; only an ARN has colons. Or a template of either, which names one for each table.
    stream: str
    region: str | None = None
    endpoint_url: str | None = None
    fips: bool = False
    profile: str | None = None
    # The role to assume for this stream, and the external id that its owner may demand.
    role_arn: str | None = None
    external_id: str | None = None
    aggregation: Aggregation = "none"
    ordering: Ordering = "strict"
    oversize: Oversize = DEAD_LETTER
    on_poison: OnPoison = "dead-letter"
    # What PutRecords is written in; auto: CBOR where the endpoint takes it.
    protocol: Protocol = "auto"

    @property
    def is_routed(self) -> bool:
        """Whether each table has a stream of its own."""
        return stream_template.is_template(self.stream)

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
class Framing:
    """What is done to the bytes of every record, whatever its format."""

    # A line break behind each, as Firehose and Athena want it.
    newline: bool = False
    compression: Compression = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkUrl:
    """A target, what its records look like, and what decides their order and shard."""

    target: Target
    format: Format
    framing: Framing = Framing()
    partition_key: KeyRule

    @property
    def is_ordered(self) -> bool:
        """Whether the changes of a row have to stay in order though others are sent beside them."""
        return isinstance(self.target, KinesisTarget) and self.target.ordering == "strict"

    @property
    def needs_barriers(self) -> bool:
        """Whether a TRUNCATE has to be kept in its place among the changes of its table (``forwarder.delivery.barriers``).

        There is no need where there is no order to keep, nor where all changes of a table are in one lane, or of a sink in one queue.
        """
        return self.is_ordered and not self.partition_key.unites_tables


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
    known = _COMMON_OPTIONS + formats.OPTIONS + (_KINESIS_OPTIONS if parts.scheme == "kinesis" else ())
    for name in options:
        if name not in known:
            raise Misconfigured(f"sink URL {url!r}: unknown option {name!r}; {nearest(name, known)}")
    if len(options) < len(pairs):
        raise Misconfigured(f"sink URL {url!r} gives an option twice; leave one of them out")
    target = _target(url, parts.scheme, unquote(parts.netloc), unquote(parts.path), options)
    format = _format(url, options)
    if isinstance(format, Dms):
        options = _dms_options(url, target, format, options)
    return SinkUrl(
        target=target,
        format=format,
        framing=Framing(
            newline=_choice(url, "newline", options.get("newline", "false"), _BOOLEANS) == "true",
            compression=_choice(url, "compression", options.get("compression", COMPRESSIONS[0]), COMPRESSIONS),
        ),
        partition_key=_key_rule(url, target, options),
    )


def _format(url: str, options: dict[str, str]) -> Format:
    try:
        return formats.format_of(options.get("format", "native"), options)
    except Misconfigured as error:
        raise Misconfigured(f"sink URL {url!r}: {error}") from None


def _dms_options(url: str, target: Target, format: Dms, options: dict[str, str]) -> dict[str, str]:
    """The options as DMS has them: what it calls PartitionIncludeSchemaTable under our name for it, and a line break behind a record of one line."""
    if isinstance(target, KinesisTarget):
        options = {"newline": "true" if format.MessageFormat == "json-unformatted" else "false", **options}
    elif format.MessageFormat == "json":
        raise Misconfigured(
            f"sink URL {url!r}: MessageFormat=json makes records of many lines, and here each is one; leave it out"
        )
    if options.get("partition_key", "primary-key") != "primary-key":
        return options
    if "prefix" in options and "PartitionIncludeSchemaTable" in options:
        raise Misconfigured(
            f"sink URL {url!r}: prefix and PartitionIncludeSchemaTable say the same; leave one of them out"
        )
    return {"prefix": "true" if format.PartitionIncludeSchemaTable else "false", **options}


def _key_rule(url: str, target: Target, options: dict[str, str]) -> KeyRule:
    try:
        rule = partition_key.parse(options)
    except Misconfigured as error:
        raise Misconfigured(f"sink URL {url!r}: {error}") from None
    if rule.scatters_rows and isinstance(target, KinesisTarget) and target.ordering == "strict":
        raise Misconfigured(
            f"sink URL {url!r}: partition_key={options['partition_key']} gives the changes of one row several keys, so that the order of a row"
            " cannot be kept; add ordering=none"
        )
    return rule


def _target(url: str, scheme: str, host: str, path: str, options: dict[str, str]) -> Target:
    if scheme == "kinesis":
        return _kinesis_target(url, host and f"{host}{path}".rstrip("/"), options)
    if scheme == "stdout":
        if host or path:
            raise Misconfigured(f"sink URL {url!r}: standard output has no name; write stdout:")
        return StdoutTarget()
    if scheme == "file":
        if host or not path:
            raise Misconfigured(
                f"sink URL {url!r} names no path; write file:changes.jsonl or file:/var/tmp/changes.jsonl"
            )
        if "\0" in path:
            raise Misconfigured(f"sink URL {url!r}: no path has the character NUL in it")
        return FileTarget(path=path)
    raise Misconfigured(f"sink URL {url!r}: unknown sink kind {scheme!r}; examples: {EXAMPLES}")


def _oversize(url: str, value: str) -> Oversize:
    kind, _, place = value.partition("://")
    bucket, _, prefix = place.partition("/")
    if _choice(url, "oversize", kind, _OVERSIZE_KINDS) != "s3":
        return Oversize(kind=_choice(url, "oversize", value, _OVERSIZE_KINDS))
    if not bucket:
        raise Misconfigured(f"sink URL {url!r}: oversize={value!r} names no bucket; write oversize=s3://BUCKET/PREFIX")
    return Oversize(kind="s3", bucket=bucket, prefix=f"{prefix.rstrip('/')}/" if prefix.strip("/") else "")


def _kinesis_target(url: str, stream: str, options: dict[str, str]) -> KinesisTarget:
    if unknown := stream_template.unknown_part(stream):
        raise Misconfigured(
            f"sink URL {url!r}: {unknown} in a stream's name means nothing; known: {{schema}}, {{table}}"
        )
    # What a template names is checked by one name that it may give.
    sample = stream_template.stream_of(stream, schema="s", table="t")
    arn = _STREAM_ARN.fullmatch(sample)
    if not arn and not _STREAM_NAME.fullmatch(sample):
        raise Misconfigured(
            f"sink URL {url!r} names no stream; write kinesis://STREAM?region=eu-west-1 or kinesis://arn:aws:kinesis:…"
        )
    target = KinesisTarget(
        stream=stream,
        region=options.get("region", arn and arn["region"]),
        endpoint_url=options.get("endpoint_url"),
        fips=_choice(url, "fips", options.get("fips", "false"), _BOOLEANS) == "true",
        profile=options.get("profile"),
        role_arn=options.get("role_arn"),
        external_id=options.get("external_id"),
        aggregation=_choice(url, "aggregation", options.get("aggregation", AGGREGATIONS[0]), AGGREGATIONS),
        ordering=_choice(url, "ordering", options.get("ordering", ORDERINGS[0]), ORDERINGS),
        oversize=_oversize(url, options.get("oversize", DEAD_LETTER.kind)),
        on_poison=_choice(url, "on_poison", options.get("on_poison", ON_POISON[0]), ON_POISON),
        protocol=_choice(url, "protocol", options.get("protocol", PROTOCOLS[0]), PROTOCOLS),
    )
    if arn and target.region != arn["region"]:
        raise Misconfigured(f"sink URL {url!r} gives another region than its ARN; leave region out")
    if contradiction := _contradiction(target):
        raise Misconfigured(f"sink URL {url!r}: {contradiction}")
    return target


def _contradiction(target: KinesisTarget) -> str | None:
    """Which options of a stream are wrong, or do not go together, and the remedy; None if none are."""
    if target.role_arn is not None and not _ROLE_ARN.fullmatch(target.role_arn):
        return f"role_arn={target.role_arn!r} is no role; write arn:aws:iam::ACCOUNT:role/NAME"
    if target.external_id is not None and target.role_arn is None:
        return "external_id is shown when a role is assumed; add role_arn"
    if target.fips and target.endpoint_url is not None:
        return "fips chooses an endpoint and endpoint_url names one; leave one of them out"
    if target.aggregation == "kpl" and target.ordering == "none":
        return "aggregation=kpl is for the lanes of ordering=strict; leave one of them out"
    return None


def _choice(url: str, option: str, value: str, known: tuple[_Choice, ...]) -> _Choice:
    for choice in known:
        if value == choice:
            return choice
    raise Misconfigured(f"sink URL {url!r}: {option}={value!r} is unknown; {nearest(value, known)}")
