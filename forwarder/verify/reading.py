"""What a change says of a row: its key, and what the row holds. The same for records and for what is encoded to be compared with them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from forwarder.consumer import Change
from forwarder.verify.content import Content, Digester, Told, flat, key_text


class Reading:
    """Reads the changes of one table."""

    def __init__(self, key_columns: Sequence[Sequence[str]], digester: Digester) -> None:
        """``key_columns``: of each column of the key the names that it has had, as the records have them, the newest first."""
        self._key_columns = key_columns
        self._digester = digester

    def key(self, change: Change) -> str | None:
        """The key as a text; None if the record does not tell it."""
        if change.key:
            return key_text(change.key.values())
        row = flat(change.after or change.before or {})
        names = [next((name for name in names if name in row), None) for names in self._key_columns]
        if None in names:
            return None
        return key_text(row[name] for name in names if name is not None)

    def content(self, row: Any) -> Content:
        """What a row of a record holds."""
        return self._digester.content(flat(row))

    def told(self, change: Change) -> Told | None:
        """All of it; None if it does not tell the key or the row."""
        key = self.key(change)
        return (
            None if key is None or change.after is None else Told(key, self.content(change.after), flat(change.after))
        )
