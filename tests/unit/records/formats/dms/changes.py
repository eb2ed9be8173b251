"""Changes of one table, and what the format makes of them."""

from __future__ import annotations

import json
from typing import Any

from forwarder.config.formats import Dms
from forwarder.config.partition_key import KeyKind, KeyRule
from forwarder.config.table_mappings.object_mapping import ObjectMapping
from forwarder.events import CapturedTable, Column, ColumnType, Event
from forwarder.outbox.keys import member_reader
from forwarder.records import object_mapping, partition_key
from forwarder.records.formats.dms.encoder import encoder
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins


def column(name: str, type: str, *, modifier: int = -1, is_array: bool = False) -> Column:
    schema = "public" if type in ("hstore", "mood", "address") else "pg_catalog"
    kind = {"mood": "e", "address": "c"}.get(type, "b")
    return Column(name, ColumnType(schema, type, kind, modifier, is_array=is_array))


def table(*columns: Column, before_image: str = "full", key: str | None = "id") -> CapturedTable:
    return CapturedTable(
        id=1,
        relation=16400,
        schema="public",
        name="foo",
        key_columns=((key,),) if key else (),
        before_image=before_image,
        columns=columns,
    )


FOO = table(column("id", "int4"), column("name", "text"), column("age", "int4"), column("attributes", "jsonb"))
ROW = '{"id":42,"name":"John","age":33,"attributes":{"foo": "bar"}}'
OLD_ROW = '{"id":42,"name":"John","age":null,"attributes":{"foo": "bar"}}'


def change(**changes: Any) -> Event:
    """An update of the row 42, in places as given."""
    values: dict[str, Any] = {
        "seq": 0x2_7C007328,
        "txid": 1140,
        "at": 820_638_245_123_456,
        "table": FOO,
        "partition": None,
        "op": b"U",
        "before": OLD_ROW,
        "after": ROW,
        "fault": None,
        "index": 1,
        "count": 1,
        "key": '{"id":42}',
        "key_values": "42",
    }
    return Event(**(values | changes))


INSERT = {"op": b"I", "before": None}
DELETE = {"op": b"D", "after": None}


def line(
    event: Event,
    *,
    key_kind: KeyKind = "primary-key",
    key_rule: KeyRule | None = None,
    mapping: ObjectMapping | None = None,
    **options: Any,
) -> str:
    """The record as it is written; empty if there is none."""
    rule = key_rule or KeyRule(kind=key_kind)
    by_rule, own_keys = (partition_key.chooser(each, reader_of=member_reader) for each in (rule, rule.own))
    provenance = Provenance(
        origins=Origins([Origin(0, "7312459")]),
        database="shop",
        key_rule=rule,
        choose_key=object_mapping.chooser(lambda _: mapping, by_rule, own_keys=own_keys),
        object_mapping=lambda _: mapping,
    )
    [record] = encoder(provenance, Dms(**options))([event])
    return record.decode()


def record(event: Event, **options: Any) -> Any:
    """The record; None if there is none. The options are those of ``line``."""
    written = line(event, **options)
    return json.loads(written) if written else None
