"""What every format of records is: a function from changes to bytes, made once for a sink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from forwarder.config.partition_key import BY_PRIMARY_KEY, KeyRule
from forwarder.config.table_mappings.object_mapping import ObjectMapping
from forwarder.events import CapturedTable, Event
from forwarder.records.origins import Origins
from forwarder.records.partition_key import Chooser

# From events to the bytes of their records, one each, in their order. Empty: the format has no record for such an event, which then counts as
# delivered. An event has the same bytes however often, in whatever order and from whichever thread they are asked for.
Encoder = Callable[[Sequence[Event]], list[bytes]]


def _no_mapping(_: CapturedTable) -> None:
    """There is no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What records may tell of where the changes come from and go to. The same for all records of a sink while one process leads it."""

    # What the ids of changes begin with.
    origins: Origins
    # The name of the database.
    database: str
    # The AWS region of the stream; None: the sink is no stream.
    region: str | None = None
    # What partition keys are made of, as the sink's URL says; and what makes them, for records that tell them.
    key_rule: KeyRule = BY_PRIMARY_KEY
    choose_key: Chooser | None = None
    # What a mapping file says of the records of a table, which has its new names.
    object_mapping: Callable[[CapturedTable], ObjectMapping | None] = _no_mapping
