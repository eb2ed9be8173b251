"""What has changed in a table while a chunk of its rows is on its way. Pure.

A chunk is read with a snapshot, S2. It is sent when the sink has taken every change that S2 sees; by then the sink may have taken later ones too,
and a row that such a change has made, changed or removed must not be told as it was before. Example, by key:

    S2 is taken                    row 7 is read as a, row 8 as b
    a later update: 7 becomes c    the sink takes this change
    the chunk is sent              8 as b; not 7, which has been told as c

So the window is opened before S2 is taken, notes the changes that the sink takes, and says which rows of the chunk are left to be sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from forwarder.events import CapturedTable, Event
from forwarder.outbox.keys import ReadKey
from forwarder.outbox.position import Snapshot

# The changes of one row. What else happens to a table concerns all its rows.
_OF_ROWS = frozenset((b"I", b"U", b"D"))
# These say nothing of the rows: a gap, and the beginning or end of another load.
_BESIDE_ROWS = frozenset((b"G", b"L", b"R", b"E"))
# More is not noted: a chunk that so much has overtaken is read again.
MAX_CHANGES = 20_000


@dataclass(slots=True, kw_only=True)
class Window:
    """The changes of one table that a sink has taken since the window was opened."""

    # As the registry has it now. An event that has another object of the same id was captured before or after the table was altered.
    table: CapturedTable
    # Reads the key out of an image; None: the table has no key, and its rows are known by their images.
    read_key: ReadKey | None
    # Whether updates tell the new row whole. Else it has not been told by that, and must be read again.
    tells_new_rows: bool = True
    # Whether updates and deletes tell the old row whole, so that it is known by that.
    tells_old_rows: bool = True
    # By what a row is known by, and the transaction that has changed it.
    _changed: list[tuple[str, int]] = field(default_factory=list)
    # How many of these are counted in `_gone`: a chunk is sent in hundreds of portions, and each looks at the changes since the one before.
    _counted: int = 0
    # By what a row is known by, how often it was changed in a transaction that the chunk does not see; without a key, less how often it was left out.
    _gone: Counter[str] = field(default_factory=Counter)
    # Whether there were too many changes to be noted.
    _is_full: bool = False
    # The transactions that have done what cannot be told row by row.
    _wholesale: set[int] = field(default_factory=set)

    def see(self, events: Iterable[Event]) -> None:
        """The sink takes these changes, of any tables."""
        for event in events:
            if event.table.id == self.table.id and event.op not in _BESIDE_ROWS and not self._is_full:
                self._note(event)

    def is_void(self, snapshot: Snapshot) -> bool:
        """Whether a chunk that was read with this snapshot cannot be told any more, and has to be read again."""
        return self._is_full or any(not snapshot.sees(txid) for txid in self._wholesale)

    def left(self, snapshot: Snapshot, rows: Sequence[Event]) -> Sequence[Event]:
        """Of rows that were read with the snapshot of the chunk, those that are still to be sent.

        Rows of a table without a key may be equal. So each of them that is gone is left out once.
        """
        gone = self._gone
        if changed := self._changed[self._counted :]:
            self._counted = len(self._changed)
            gone.update([name for name, txid in changed if not snapshot.sees(txid)])
        if not gone:
            return rows
        if self.read_key is not None:
            return [row for row in rows if row.key is None or row.key not in gone]
        return [row for row in rows if not self._takes_out(row.after)]

    def _takes_out(self, image: str | None) -> bool:
        """Whether a row with this image, of a table without a key, is gone; the next one may not be."""
        name = _digest(image) if image else ""
        if not self._gone[name]:
            return False
        self._gone[name] -= 1
        return True

    def _note(self, event: Event) -> None:
        names = self._names(event)
        if names is None:
            self._wholesale.add(event.txid)
        else:
            self._changed += [(name, event.txid) for name in names]
            if len(self._changed) > MAX_CHANGES:
                self._is_full, self._changed, self._counted = True, [], 0

    def _names(self, event: Event) -> Sequence[str] | None:
        """What the rows are known by of which a change tells; None if it concerns all rows, or one that nobody knows."""
        if event.op not in _OF_ROWS or event.table is not self.table or (event.op == b"U" and not self.tells_new_rows):
            return None
        if self.read_key is None:
            if event.op == b"I":
                return ()
            return (_digest(event.before),) if event.before and self.tells_old_rows else None
        if event.key is None:
            return None
        # PostgreSQL may take two texts for one key (1.0 and 1.00): an update then has one before, and the other after.
        before = self.read_key(event.before) if event.op == b"U" and event.before else None
        return (event.key,) if before is None or before[0] == event.key else (event.key, before[0])


def _digest(image: str) -> str:
    """What stands for an image, so that thousands of large ones take little memory."""
    return blake2b(image.encode(), digest_size=16).hexdigest()
