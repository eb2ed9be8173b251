"""The settings: what each means, its default and its bounds."""

from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from forwarder.config.database import DatabaseSettings
from forwarder.config.http import HttpSettings
from forwarder.config.section import Seconds, Section
from forwarder.config.table_options import TableOptions

# The name of a sink that is not given any.
DEFAULT_SINK = "default"
SINK_NAME = r"[A-Za-z0-9_.-]{1,63}"
# With smaller leaves a busy system would go round the ring between two rounds of the janitor; with larger ones closing a leaf would take too long.
MIN_LEAF_EVENTS = 1 << 10
MAX_LEAF_EVENTS = 1 << 24


class TableRule(TableOptions):
    """``[[table]]``: which tables to capture, and how. Where several match a table, the last one that sets an option counts for that."""

    match: str = Field(min_length=1, description="A table, or a glob such as public.*; schema public if it names none.")
    exclude: list[str] = Field(default=[], description="Tables or globs to leave out of this rule's match.")
    load: Literal["none", "initial"] = Field(
        default="none",
        description="initial: the rows that the table has already are sent to each sink, once, as soon as the sink is served.",
    )

    @model_validator(mode="after")
    def _includes_or_excludes(self) -> Self:
        if self.columns.include is not None and self.columns.exclude:
            raise ValueError("columns: include and exclude exclude each other: give one of them")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """What this rule says of how a table is captured: the options that it sets, by name."""
        return self.model_dump(exclude_unset=True, exclude={"match", "exclude", "load"})


class SinkSettings(Section):
    """``[[sink]]``: where the records go."""

    name: str = Field(
        default=DEFAULT_SINK, pattern=f"^{SINK_NAME}$", description="The name its position is kept under."
    )
    url: str = Field(min_length=1, description="kinesis://STREAM?region=…, stdout: or file:PATH.")
    tables: list[str] = Field(
        default=[], description="Tables or globs whose changes it is for; empty for all that are captured."
    )
    shards: dict[str, str] = Field(
        default={},
        description='Of Kinesis, which tables go to which part of the stream, by tables or globs: "2/4" is the second of four equal shards. '
        "Others go by their partition keys. A table is then as fast as one shard.",
    )
    start: Literal["now", "oldest"] | None = Field(
        default=None,
        description="Where a new sink begins: with the oldest retained change, or with what is committed from now on. Not "
        "given: oldest for the first sink of a database, now for one that is added.",
    )


class ListenSettings(Section):
    """``[listen]``: how much may be under way at once."""

    stop_timeout_seconds: Seconds = Field(
        default=25.0, description="How long what is in flight may take after SIGTERM; keep it under ECS's stopTimeout."
    )
    page_rows: int = Field(
        default=4000, ge=1, le=50_000, description="Rows read in one statement: larger is faster, smaller is leaner."
    )
    page_bytes: int = Field(
        default=4 << 20,
        ge=1 << 16,
        le=1 << 28,
        description="Bytes of row images read in one statement, divided between the sinks, but 1 MiB at least.",
    )
    max_events: int = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="Events in memory; a restart after a crash repeats those that were delivered since the last save.",
    )
    max_bytes: int = Field(
        default=32 << 20,
        ge=1 << 20,
        le=1 << 32,
        description="Bytes of records in memory, divided between the sinks; two pages a sink may come on top.",
    )
    max_in_flight: int = Field(default=16, ge=1, le=256, description="Requests to the sink under way at once.")
    checkpoint_interval_seconds: Seconds = Field(
        default=0.3, description="How often the position is saved: shorter means fewer repeats after a crash."
    )


class OutboxSettings(Section):
    """``[outbox]``: how long changes are kept, and when there are too many of them."""

    retention_seconds: float = Field(
        default=86_400.0,
        ge=0,
        le=366 * 86_400,
        description="How long a delivered change is kept, for replay, if the ring is large enough; on a quiet system it stays "
        "up to a quarter longer. 0: no longer than it takes every sink to deliver it.",
    )
    leaf_events: int | None = Field(
        default=None,
        ge=MIN_LEAF_EVENTS,
        le=MAX_LEAF_EVENTS,
        description="Changes in each of the ring's eight leaves, a power of two, made so by `forwarder migrate`; 262144 at "
        "first, then as it is. Larger keeps more history on a busy system and takes more disk.",
    )
    warn_bytes: int = Field(
        default=10 << 30, ge=1 << 20, description="Warn while the outbox takes more than this on disk."
    )
    max_bytes: int | None = Field(
        default=None,
        ge=1 << 20,
        description="Above this size on disk the retention is given up, and then on_outbox_full counts.",
    )
    on_outbox_full: Literal["keep", "pause-capture"] = Field(
        default="keep",
        description="Above max_bytes of undelivered changes. keep: the disk fills. pause-capture: changes are not captured until "
        "it is four fifths, and are lost to the sinks; records of kind gap say so.",
    )
    warn_age_seconds: float = Field(
        default=300.0, gt=0, description="Warn while a sink has not delivered a change for longer than this."
    )

    @field_validator("leaf_events")
    @classmethod
    def _power_of_two(cls, value: int | None) -> int | None:
        if value is not None and value & (value - 1):
            lower = 1 << (value.bit_length() - 1)
            raise PydanticCustomError("power_of_two", f"not a power of two; the nearest are {lower} and {2 * lower}")
        return value


class LoadSettings(Section):
    """``[load]``: how rows are read that tables have already, while changes flow."""

    parallel: int = Field(default=2, ge=1, le=32, description="Tables loaded at once, for each sink.")
    chunk_seconds: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="How long the query of a chunk should take: its rows follow from that. No transaction of a load is open for longer.",
    )
    chunk_bytes: int = Field(
        default=4 << 20,
        ge=1 << 16,
        le=1 << 28,
        description="Bytes of row images in a chunk at most; each table that is being loaded may have two chunks in memory.",
    )
    max_rows_per_second: float | None = Field(
        default=None, gt=0, description="Rows read in a second at most, for each sink; not given: as fast as it goes."
    )
    max_bytes_per_second: float | None = Field(default=None, gt=0, description="The same in bytes of row images.")
    yield_seconds: Seconds = Field(
        default=1.0, description="Loads pause while a change waits for longer than this to be delivered."
    )


class CaptureSettings(Section):
    """``[capture]``: what is captured besides the tables that ``forwarder migrate`` finds, and what the triggers keep of a change."""

    max_image_bytes: int | None = Field(
        default=None,
        ge=1 << 16,
        le=1 << 29,
        description="Above so many bytes of row images a change is captured without them, with fault 54000; made so by `forwarder "
        "migrate`; 67108864 at first, then as it is. A write takes several times as much of the server's memory.",
    )
    auto_attach: bool = Field(
        default=False,
        description="Whether a new table that a [[table]] matches is captured by itself: from its creation where `forwarder migrate` may create "
        "event triggers, else by the listener within a minute. Made so by `forwarder migrate`.",
    )
    schema_events: bool = Field(
        default=False,
        description="Whether the stream tells how the columns and names of captured tables change, in records of kind schema. Made so by "
        "`forwarder migrate`.",
    )


class MetricsSettings(Section):
    """``[metrics]``: what ``listen`` counts for Prometheus, and what it writes into the log for CloudWatch."""

    tables_limit: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="With changes of more pairs of sink and table than this, /metrics tells nothing by table any more: each is up to seven series. "
        "0: nothing by table.",
    )
    emf: bool = Field(
        default=False,
        description="Whether the log has lines in CloudWatch's Embedded Metric Format, of which CloudWatch makes seven metrics for each sink.",
    )
    emf_interval_seconds: Seconds = Field(
        default=60.0, description="How often such a line is written. CloudWatch keeps a figure a minute."
    )
    namespace: str = Field(
        default="forwarder",
        pattern=r"^[A-Za-z0-9._/#:-]{1,255}$",
        description="The namespace of these metrics in CloudWatch.",
    )
    service: str = Field(
        default="forwarder",
        pattern=r"^[\x21-\x39\x3b-\x7e]{1,250}$",
        description="Their dimension `service`, beside `sink`: tells several listeners of one account apart.",
    )


class LogSettings(Section):
    """``[log]``: how logs are written."""

    format: Literal["text", "json"] = Field(default="text", description="text for people, json for machines.")


class Settings(Section):
    """Everything a command may need."""

    database: DatabaseSettings = DatabaseSettings()
    table_mappings: Path | None = Field(
        default=None,
        description="A file with table mappings of AWS DMS, in JSON; a relative path is from the settings' own folder. They choose and shape tables "
        "as [[table]] does, which counts over them; and they name and shape what is in the records.",
    )
    table: list[TableRule] = Field(default=[])
    capture: CaptureSettings = CaptureSettings()
    sink: list[SinkSettings] = Field(default=[])
    listen: ListenSettings = ListenSettings()
    load: LoadSettings = LoadSettings()
    outbox: OutboxSettings = OutboxSettings()
    http: HttpSettings = HttpSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    @field_validator("sink")
    @classmethod
    def _names_are_unique(cls, sinks: list[SinkSettings]) -> list[SinkSettings]:
        name, count = max(Counter(sink.name for sink in sinks).items(), key=itemgetter(1), default=("", 0))
        if count > 1:
            raise ValueError(
                f"{count} sinks are named {name!r}; give each a name of its own, since its position is kept under it"
            )
        return sinks
