"""The formats of records and their options, as a sink's URL names them: ``format=dms&IncludeTransactionDetails=true``. Pure.

Each format is a class, whose fields are its options under the names that they have in the URL. A new format has a class here, a line in ``FORMATS``,
its module in ``forwarder/records/formats/``, and a line in ``forwarder/records/formats/catalogue.py``.

An option whose name is no name of Python's (``topic.prefix``) is a field made by ``_named``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_type_hints

from forwarder.config.suggestions import nearest
from forwarder.errors import Misconfigured

_BOOLEANS = {"true": True, "false": False}


def _named(option: str, default: Any) -> Any:
    """A field for the option with this name."""
    return field(default=default, metadata={"option": option})


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """Our own format, and the only one that tells everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lambda:
    """What was done and the row, as a trigger that calls an AWS Lambda function hands them over."""

    # Whether each record names its table.
    table: bool = False
    # Whether each record has ``id`` and ``seq``, by which consumers drop repeats.
    id: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvents:
    """CloudEvents 1.0 in structured JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Debezium:
    """Debezium's connector for PostgreSQL, JSON without schemas. The options are Debezium's, but for ``exact``: see docs/formats/debezium.md."""

    # Leave out, and round, what Debezium itself leaves out and rounds.
    exact: bool = False
    topic_prefix: str = _named("topic.prefix", "forwarder")
    decimal_handling_mode: Literal["precise", "string", "double"] = _named("decimal.handling.mode", "precise")
    time_precision_mode: Literal[
        "adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"
    ] = _named("time.precision.mode", "adaptive")
    binary_handling_mode: Literal["bytes", "base64", "base64-url-safe", "hex"] = _named("binary.handling.mode", "bytes")
    hstore_handling_mode: Literal["json", "map"] = _named("hstore.handling.mode", "json")
    interval_handling_mode: Literal["numeric", "string"] = _named("interval.handling.mode", "numeric")
    include_unknown_datatypes: bool = _named("include.unknown.datatypes", default=False)
    provide_transaction_metadata: bool = _named("provide.transaction.metadata", default=False)
    publish_via_partition_root: bool = _named("publish.via.partition.root", default=False)
    skipped_operations: Literal["t", "none"] = _named("skipped.operations", "t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dms:
    """What AWS DMS writes to Kinesis. The options have the names of its endpoint and task settings, and its defaults, but for the layout."""

    MessageFormat: Literal["json-unformatted", "json"] = "json-unformatted"
    IncludeTransactionDetails: bool = False
    IncludePartitionValue: bool = False
    # Whether partition keys by primary key begin with schema and table. It is told to whoever chooses keys, and is nothing to the records.
    PartitionIncludeSchemaTable: bool = False
    IncludeTableAlterOperations: bool = False
    IncludeControlDetails: bool = False
    IncludeNullAndEmpty: bool = False
    NoHexPrefix: bool = False
    UseLargeIntegerValue: bool = False
    MapBooleanAsBoolean: bool = False
    EnableBeforeImage: bool = False
    FieldName: str = "before-image"
    ColumnFilter: Literal["pk-only", "non-lob", "all"] = "pk-only"
    # Whether also to lose what DMS loses: digits, deleted rows, TRUNCATE.
    exact: bool = False

    def __post_init__(self) -> None:
        if self.FieldName in ("", "data", "metadata", "control", "forwarder"):
            raise Misconfigured(
                f"FieldName={self.FieldName!r} cannot hold the old row; write another name, such as before-image"
            )
        if not self.EnableBeforeImage and (self.FieldName, self.ColumnFilter) != ("before-image", "pk-only"):
            raise Misconfigured("FieldName and ColumnFilter are about before images; add EnableBeforeImage=true")


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoDb:
    """What Kinesis Data Streams for DynamoDB writes, or a stream of DynamoDB itself."""

    style: Literal["kinesis", "streams"] = "kinesis"
    view: Literal["NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY"] = "NEW_AND_OLD_IMAGES"
    # The unit of ApproximateCreationDateTime; in the style of streams it is the second.
    timestamps: Literal["MILLISECOND", "MICROSECOND"] = "MILLISECOND"
    # What ``tableName`` is: orders, or public.orders.
    tableName: Literal["table", "schema.table"] = "table"

    def __post_init__(self) -> None:
        if self.style == "streams" and self.timestamps == "MICROSECOND":
            raise Misconfigured("timestamps=MICROSECOND is for style=kinesis; leave one of them out")


Format = Native | Lambda | CloudEvents | Debezium | Dms | DynamoDb

FORMATS: Mapping[str, type[Format]] = {
    "native": Native,
    "lambda": Lambda,
    "cloudevents": CloudEvents,
    "debezium": Debezium,
    "dms": Dms,
    "dynamodb": DynamoDb,
}


def format_of(name: str, options: Mapping[str, str]) -> Format:
    """The format with this name, with the options that are its own; others in ``options`` are not looked at.

    Raises:
        Misconfigured: it has no such name, or an option no such value; or one is an option of other formats alone. It is put behind
            ``sink URL '…': ``.
    """
    if name not in FORMATS:
        raise Misconfigured(f"format={name!r} is unknown; {nearest(name, tuple(FORMATS))}")
    own, types = _options(name), get_type_hints(FORMATS[name])
    if foreign := next((option for option in options if option in OPTIONS and option not in own), None):
        theirs = " or ".join(f"format={other}" for other in FORMATS if foreign in _options(other))
        raise Misconfigured(f"{foreign} is an option of {theirs}, and the format is {name}; leave one of them out")
    return FORMATS[name](
        **{own[option]: _value(option, value, types[own[option]]) for option, value in options.items() if option in own}
    )


def _options(name: str) -> Mapping[str, str]:
    """The options of a format, and the name of the field of each."""
    return {field.metadata.get("option", field.name): field.name for field in fields(FORMATS[name])}


def _value(option: str, value: str, type_: Any) -> Any:
    """The value of an option as its field has it: a text, a yes or no, or one of a few words."""
    if type_ is str:
        return value
    choices: Mapping[str, object] = _BOOLEANS if type_ is bool else {word: word for word in get_args(type_)}
    if value not in choices:
        raise Misconfigured(f"{option}={value!r} is unknown; {nearest(value, tuple(choices))}")
    return choices[value]


# The options of all formats.
OPTIONS = tuple(dict.fromkeys(option for name in FORMATS for option in _options(name)))
