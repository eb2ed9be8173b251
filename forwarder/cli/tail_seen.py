"""Names and keys of the changes that ``forwarder tail`` has read, to be told where --table or --key has found none of them. Pure.

A table may have another name in records than in the database, and a record may tell no key.
"""

from __future__ import annotations

from forwarder.cli.tail_selection import keys_of
from forwarder.consumer.change import Change

# So many are told; those that come later are not kept.
_MOST = 10
_NO_KEY = "none of them has a key; of format dms in a file, add IncludePartitionValue=true to the sink's URL"


class Seen:
    """The first tables and keys that came."""

    def __init__(self, *, tables: bool, keys: bool) -> None:
        """Which of the two are asked about."""
        self._asked_tables, self._asked_keys = tables, keys
        # In the order in which they came.
        self._tables: dict[str, None] = {}
        self._keys: dict[str, None] = {}

    def add(self, change: Change, partition_key: str | None) -> None:
        """Note what can be asked for to see this change."""
        if self._asked_tables and change.table:
            _note(self._tables, ".".join(filter(None, (change.schema, change.table))))
        if self._asked_keys and (key := next(keys_of(change, partition_key), None)):
            _note(self._keys, key)

    def hint(self) -> str:
        """What was there, in words; empty if nothing was asked for."""
        hints = []
        if self._asked_tables:
            hints.append(_told("tables", self._tables) or "none of them names its table")
        if self._asked_keys:
            hints.append(_told("keys", self._keys) or _NO_KEY)
        return "; ".join(hints)


def _note(seen: dict[str, None], name: str) -> None:
    # One more than are told, to know that there are more.
    if len(seen) <= _MOST:
        seen.setdefault(name)


def _told(what: str, seen: dict[str, None]) -> str:
    more = ", …" if len(seen) > _MOST else ""
    return f"{what} seen were {', '.join(list(seen)[:_MOST])}{more}" if seen else ""
