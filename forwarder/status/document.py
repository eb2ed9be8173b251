"""What ``forwarder status --json`` prints and ``/api/status`` answers, from the whole down to a table. It holds no row's values or keys.

Rates and durations are of the last minute unless something else is said. What nobody knows now is null: a sink that no process leads has no rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# Rises when a member changes its meaning or goes; new members do not raise it.
VERSION = 1

# delivering: a leader sends, or has nothing to send. stuck: a leader cannot send. unled: no process leads it. starting: a leader is about to begin.
SinkState = Literal["delivering", "stuck", "unled", "starting"]
TableState = Literal["captured", "loading", "paused", "drifted", "gap", "removed"]
LeafState = Literal["current", "full", "emptying", "empty"]


class Part(BaseModel):
    """What all parts of the document have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Trouble(Part):
    """Something that an operator should look at."""

    text: Annotated[str, Field(description="What is wrong, and where.")]
    remedy: Annotated[str, Field(description="What to do about it; empty if nothing has to be done.")] = ""
    is_urgent: Annotated[
        bool, Field(description="Whether changes are not delivered, or will be lost, unless somebody acts.")
    ] = False


class Process(Part):
    """A running ``forwarder listen``."""

    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: Annotated[datetime, Field(description="When it last wrote that it is alive, by the database's clock.")]
    leads: Annotated[Sequence[str], Field(description="The sinks that it leads.")]
    stands_by: Annotated[Sequence[str], Field(description="The sinks for which it stands by.")]


class Shard(Part):
    """A shard of a stream, or whatever else limits a sink's requests."""

    name: Annotated[str, Field(description="Its id; with its stream before a slash where the sink has several.")]
    share: Annotated[float, Field(description="Of the records that the sink sent, 0 to 1.")]
    throttles: Annotated[int, Field(description="Records that it refused for its limits in the last minute.")]


class Point(Part):
    """One second of a sink, as the charts show it."""

    captured: Annotated[
        float, Field(description="Changes, and rows of loads, that were read for this sink, in one second.")
    ]
    delivered: Annotated[float, Field(description="Of these, what it has acknowledged, or was set aside.")]
    oldest_seconds: Annotated[
        float | None, Field(description="The age of the oldest change that is not delivered; 0 if all are.")
    ] = None
    p50_ms: Annotated[
        float | None, Field(description="Half of the requests of this second took less; null: none was answered.")
    ] = None
    p99_ms: Annotated[float | None, Field(description="99 of 100 took less.")] = None


class Live(Part):
    """What only the process that leads a sink knows of it."""

    phase: Annotated[str, Field(description="As /readyz has it: starting, reconnecting, leading, stopping.")]
    now: Point
    captured_per_second: float
    delivered_per_second: float
    bytes_per_second: float
    requests_per_second: float
    in_flight: Annotated[int, Field(description="Requests under way.")]
    memory_records: int
    memory_bytes: int
    request_p50_ms: float | None
    request_p99_ms: float | None
    latency_p50_ms: Annotated[float | None, Field(description="From commit to acknowledgement.")]
    latency_p99_ms: float | None
    shards: Sequence[Shard]
    hot_lanes: Annotated[
        Sequence[int],
        Field(description="Records that wait in the longest lanes, longest first. A lane is the changes of one key."),
    ]


class Sink(Part):
    """A sink, as whoever asks the database sees it."""

    name: str
    target: Annotated[str, Field(description="Where it sends, without secrets: kinesis://changes.")]
    state: SinkState
    trouble: Annotated[Trouble | None, Field(description="Why it is stuck or unled.")] = None
    leader: Process | None
    lag_events: Annotated[
        int | None, Field(description="Changes in the outbox that are not delivered; an estimate above 10,000.")
    ]
    lag_seconds: Annotated[float | None, Field(description="The age of the oldest of them; 0 if there is none.")]
    seconds_left: Annotated[
        float | None,
        Field(
            description="Until they are delivered, if the backlog goes on falling as in the last minute; null: it does not fall, or nobody knows."
        ),
    ]
    delivered_seq: Annotated[int | None, Field(description="The highest seq that is delivered.")]
    saved_at: Annotated[datetime | None, Field(description="When its position was last saved.")]
    dead_letters: Annotated[
        int | None, Field(description="Changes that were set aside; 10,000 stand for that many or more.")
    ]
    live: Annotated[Live | None, Field(description="By its leader; null if none is seen.")]


class Leaf(Part):
    """One table of the outbox's ring."""

    number: int
    bytes: int
    state: LeafState


class Outbox(Part):
    """The tables that hold changes until every sink has them."""

    bytes: int
    leaves: Sequence[Leaf]
    oldest_at: Annotated[datetime | None, Field(description="When the oldest change that some sink lacks was written.")]
    history_since: Annotated[datetime | None, Field(description="How far back `forwarder replay` can go.")]


class Doorbell(Part):
    """How writers wake the listener."""

    mode: Annotated[str, Field(description="doorbell, poll, or none: nobody reads the outbox.")]
    is_armed: bool | None
    rings_per_second: float | None
    writers_in_the_way: Annotated[
        int, Field(description="Open transactions that have written changes and are not committed.")
    ]


class Table(Part):
    """What one sink was told of one table since the sink was created."""

    sink: str
    table: str
    state: TableState
    detail: Annotated[str, Field(description="What the state rests on, and the remedy.")] = ""
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    truncates: int = 0
    reads: Annotated[int, Field(description="Rows that were there before, told by a load.")] = 0
    schema_changes: int = 0
    others: Annotated[int, Field(description="Gaps and events of forwarder.emit.")] = 0
    bytes: Annotated[int, Field(description="Of the images, in the outbox.")] = 0
    errors: Annotated[int, Field(description="Changes that went to the dead letters.")] = 0
    last_change_at: datetime | None = None
    last_delivered_at: datetime | None = None


class Load(Part):
    """A load of existing rows."""

    sink: str
    table: str
    state: str
    rows: int
    bytes: int
    estimated_rows: int | None
    seconds_left: float | None


class Document(Part):
    """The whole."""

    version: int = VERSION
    at: Annotated[datetime, Field(description="When this was read, by the database's clock.")]
    forwarder: Annotated[str, Field(description="The version of the process that answers.")]
    is_well: bool
    summary: Annotated[str, Field(description="In one sentence, how it is.")]
    remedy: Annotated[str, Field(description="What to do; empty if nothing has to be done.")] = ""
    database: Annotated[str, Field(description="host:port/name, without credentials; empty if nothing was read of it.")]
    sinks: Sequence[Sink]
    standbys: Sequence[Process]
    outbox: Outbox | None
    doorbell: Doorbell | None
    loads: Sequence[Load]
    tables: Sequence[Table]
    warnings: Sequence[Trouble]


class History(Part):
    """The last 15 minutes of each sink that this process leads, a point a second, oldest first. A standby has none."""

    ends_at: datetime
    sinks: Mapping[str, Sequence[Point]]
