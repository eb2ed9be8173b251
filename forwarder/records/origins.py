"""What the id of a change begins with: the name of the cluster and the database that it was captured in. Pure.

Example: a database was restored from a dump, when change 900 was the last that any sink had delivered. It knows two origins, the newest first:
``after_seq`` 900 with its own name, and ``after_seq`` 0 with the name of the database that the dump was taken of. Change 850 keeps the old name,
under which it was delivered. Change 950 has the new one; the old database, if it goes on, may have another change 950 under the old name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from forwarder.events import Event

_LAST_SEQ = (1 << 63) - 1


class Origin(NamedTuple):
    """The name of all changes with a seq above ``after_seq``, except those that a newer origin names."""

    after_seq: int
    name: str


class Named(NamedTuple):
    """A range of seqs whose changes have one name."""

    first_seq: int
    last_seq: int
    name: str


@dataclass(frozen=True, slots=True)
class Origins:
    """All origins that a database knows, the newest first. There is at least one; the oldest names whatever no other one does."""

    newest_first: Sequence[Origin]

    def around(self, seq: int) -> Named:
        """The range in which this seq is."""
        last_seq = _LAST_SEQ
        for after_seq, name in self.newest_first:
            if after_seq < seq:
                return Named(after_seq + 1, last_seq, name)
            last_seq = min(last_seq, after_seq)
        return Named(0, last_seq, self.newest_first[-1].name)

    def name_of(self, seq: int) -> str:
        """What the id of this change begins with."""
        return self.around(seq).name

    def id_of(self, event: Event) -> str:
        """The id of a record: the same over every re-send, and that of no other.

        ``7301…-16384/0000000000000384`` of a change, with its seq; ``7301…-16384/load/7/9f86d081884c7d65`` of a row that load 7 has read.
        """
        if reading := event.reading:
            return f"{self.newest_first[0].name}/load/{reading.load}/{reading.name}"
        return f"{self.name_of(event.seq)}/{event.seq:016x}"
