"""Changes of one table, and what the format makes of them."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from forwarder.config.formats import Dms
from forwarder.config.partition_key import KeyKind, KeyRule
from forwarder.config.table_mappings.object_mapping import ObjectMapping
from forwarder.events import Column, Event
from forwarder.outbox.keys import member_reader
from forwarder.records import object_mapping, partition_key
from forwarder.records.formats.dms.encoder import encoder
from forwarder.records.formats.encoder import Provenance
from forwarder.records.origins import Origin, Origins
from tests.support import events

# Types that PostgreSQL does not have.
_OTHER_KINDS = {"hstore": "b", "mood": "e", "address": "c"}


def column(name: str, type: str, *, modifier: int = -1, is_array: bool = False) -> Column:
    kind, schema = _OTHER_KINDS.get(type, "b"), "public" if type in _OTHER_KINDS else "pg_catalog"
    return events.column(name, type, modifier, schema=schema, kind=kind, is_array=is_array)


table = partial(events.table, "foo")
FOO = table(column("id", "int4"), column("name", "text"), column("age", "int4"), column("attributes", "jsonb"))
ROW = '{"id":42,"name":"John","age":33,"attributes":{"foo": "bar"}}'
OLD_ROW = '{"id":42,"name":"John","age":null,"attributes":{"foo": "bar"}}'
# An update of the row 42, in places as given.
change = partial(events.event, seq=0x2_7C007328, table=FOO, before=OLD_ROW, after=ROW, count=1)
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
