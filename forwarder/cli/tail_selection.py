"""Which changes ``forwarder tail`` shows: by --table, --key and --from. Pure."""

from __future__ import annotations

from collections.abc import Sequence
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
            and (self.key is None or self.key in (partition_key, _values(change)))
            and (self.first_seq is None or (change.seq is not None and change.seq >= self.first_seq))
            and (self.first_at is None or change.at is None or change.at >= self.first_at)
        )

    def _is_of_tables(self, change: Change) -> bool:
        # Some formats name the table alone.
        name = _Name(change.schema or DEFAULT_SCHEMA, change.table or "")
        return any(pattern.matches(name) for pattern in self.tables)


def _values(change: Change) -> str | None:
    return ",".join(map(_text, change.key.values())) if change.key else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
