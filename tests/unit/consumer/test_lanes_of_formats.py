"""Whatever format a sink writes, consumers never take two rows for one, nor a change for another; and a repeat is the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forwarder.config.formats import format_of
from forwarder.config.sink_url import Framing
from forwarder.consumer import Change, Deduplicator, decode
from forwarder.consumer.lane import identity_of, lane_of
from forwarder.events import CapturedTable, Column, ColumnType, Event
from forwarder.records.formats.catalogue import record_format
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins

Sink = tuple[str, dict[str, str]]

SINKS: list[Sink] = [
    ("native", {}),
    ("cloudevents", {}),
    ("lambda", {"id": "true"}),
    ("lambda", {"id": "true", "table": "true"}),
    ("dynamodb", {}),
    ("dynamodb", {"tableName": "schema.table"}),
    ("dynamodb", {"style": "streams"}),
    ("dynamodb", {"style": "streams", "tableName": "schema.table"}),
    ("dms", {"IncludeTransactionDetails": "true"}),
    ("debezium", {}),
    ("debezium", {"publish.via.partition.root": "true"}),
]
# With dms each database has a stream of its own, and with debezium a name.
SHARED_BY_DATABASES = [sink for sink in SINKS if sink[0] not in ("dms", "debezium")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row, and where it is."""

    database: str
    schema: str
    table: str
    partition: str | None
    # As JSON.
    key: str


# Some look like others when they are joined by a dot, or put into an ARN.
NAMES = st.sampled_from(["a", "b", "a.b", "b.a", "a/b", 'a"', "a/stream/forwarder"])
ROWS = st.builds(
    Row,
    database=st.sampled_from(["7/1", "7/2"]),
    schema=NAMES,
    table=NAMES,
    partition=st.sampled_from([None, "p", "q"]),
    # The long numbers are one as floats.
    key=st.sampled_from(["1", "2", "12345678901234567.1", "12345678901234567.2", '"1"', "true"]),
)
WITHOUT_ROWS: dict[str, Any] = {"before": None, "after": None, "fault": "54000"}


@given(
    sink=st.sampled_from(SHARED_BY_DATABASES),
    one=ROWS,
    other=ROWS,
    floats=st.booleans(),
    members=st.sampled_from([{}, WITHOUT_ROWS]),
)
def test_two_rows_have_two_lanes_and_their_changes_two_identities(
    *, sink: Sink, one: Row, other: Row, floats: bool, members: dict[str, Any]
) -> None:
    first = read(sink, one, event_of(one, 5, **members), floats=floats)
    second = read(sink, other, event_of(other, 4, **members), floats=floats)
    # A row that has moved to another partition is the same row.
    is_same_row = replace(one, partition=None) == replace(other, partition=None)
    assert is_same_row or lane_of(first) is None or lane_of(first) != lane_of(second)
    assert identity_of(first) != identity_of(second)


@given(sink=st.sampled_from(SINKS), rows=st.lists(ROWS, max_size=6), floats=st.booleans())
def test_the_rows_of_a_database_may_be_read_in_any_order(*, sink: Sink, rows: list[Row], floats: bool) -> None:
    of_database = [replace(row, database="7/1", partition=None) for row in rows]
    changes = [read(sink, row, event_of(row, seq), floats=floats) for seq, row in enumerate(of_database, 1)]
    # The changes of each row are in their order, and what was written last is read first.
    places = {row: place for place, row in enumerate(of_database)}
    order = sorted(range(len(rows)), key=lambda place: -places[of_database[place]])
    stream = [changes[place] for place in order]
    assert list(Deduplicator().new([*stream, *stream])) == stream


@given(sink=st.sampled_from(SINKS), rows=st.lists(ROWS, max_size=6), floats=st.booleans())
def test_events_of_the_application_may_be_read_in_any_order(*, sink: Sink, rows: list[Row], floats: bool) -> None:
    of_database = [replace(row, database="7/1", partition=None) for row in rows]
    stream = [
        read(sink, row, event_of(row, 9 - place, op=b"E", before=None), floats=floats)
        for place, row in enumerate(of_database)
    ]
    assert list(Deduplicator().new([*stream, *stream])) == stream


@given(sink=st.sampled_from(SINKS), row=ROWS, floats=st.booleans())
def test_a_repeat_is_the_same_as_what_came_before(*, sink: Sink, row: Row, floats: bool) -> None:
    first, again = (read(sink, row, event_of(row, 5), floats=floats) for _ in range(2))
    assert (lane_of(first), identity_of(first)) == (lane_of(again), identity_of(again))
    assert identity_of(first) is not None


def event_of(row: Row, seq: int, **members: Any) -> Event:
    image = f'{{"id":{row.key}}}'
    values = {"op": b"U", "before": image, "after": f'{{"id":{row.key},"seq":{seq}}}', "fault": None, **members}
    return Event(
        seq=seq,
        txid=9,
        at=0,
        table=table_of(row.schema, row.table),
        partition=row.partition,
        index=1,
        count=1,
        key=image,
        key_values=row.key,
        **values,
    )


@cache
def table_of(schema: str, name: str) -> CapturedTable:
    return CapturedTable(
        id=1,
        relation=16400,
        schema=schema,
        name=name,
        key_columns=(("id",),),
        before_image="full",
        columns=(Column("id", ColumnType("pg_catalog", "jsonb", "b", -1, is_array=False)),),
    )


def read(sink: Sink, row: Row, event: Event, *, floats: bool) -> Change:
    provenance = Provenance(origins=Origins([Origin(0, row.database)]), database="shop")
    [data] = record_format(format_of(*sink), Framing(), provenance).encode([event])
    [change] = decode(data, floats=floats)
    return change
