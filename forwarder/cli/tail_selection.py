"""Which changes ``forwarder tail`` shows: by --table, --key and --from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from forwarder.capture.selection import DEFAULT_SCHEMA, Pattern
from forwarder.consumer.change import Change


class _Name(NamedTuple):
    schema: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is None, or empty, selects all."""

    tables: Sequence[Pattern] = ()
    # A partition key, or the values of a primary key: 42, or eu,42
    key: str | None = None
    # Of changes that are older, none is shown. One that does not say how old it is, is shown by time, and not by seq.
    first_seq: int | None = None
    first_at: datetime | None = None

    def takes(self, change: Change, *, partition_key: str | None) -> bool:
        """Whether this change is to be shown; ``partition_key`` is that of its record."""
        return (
            (not self.tables or self._is_of_tables(change))
            and (self.key is None or self.key in keys_of(change, partition_key))
            and (self.first_seq is None or (change.seq is not None and change.seq >= self.first_seq))
            and (self.first_at is None or change.at is None or change.at >= self.first_at)
        )

    def _is_of_tables(self, change: Change) -> bool:
        # Some formats name the table alone.
        name = _Name(change.schema or DEFAULT_SCHEMA, change.table or "")
        return any(pattern.matches(name) for pattern in self.tables)


def keys_of(change: Change, partition_key: str | None) -> Iterator[str]:
    """What this change can be found by: the partition keys of its record, and the values of its primary key."""
    if change.key:
        yield ",".join(map(_text, change.key.values()))
    for told in filter(None, (partition_key, change.partition_key)):
        yield told
        if not change.key and (values := _values_in(told, change)):
            yield values


def _values_in(partition_key: str, change: Change) -> str:
    """The values of the primary key in a partition key, 42 in public.orders.42; empty if it is no such key."""
    if change.schema and change.table:
        prefix = f"{change.schema}.{change.table}."
        return partition_key.removeprefix(prefix) if partition_key.startswith(prefix) else ""
    return "".join(partition_key.split(".", 2)[2:])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
