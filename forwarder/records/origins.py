"""What the ids of changes begin with: the cluster and the database that each was captured in. Pure.

A change keeps the name under which it may have been delivered, whatever cluster or copy it is in by now. What a copy of a database
captures has another name than what the original goes on to capture, although both go on with the same seqs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_LAST_SEQ = (1 << 63) - 1


class Origin(NamedTuple):
    """The name of all changes with a higher seq, but for those that a newer origin names."""

    after_seq: int
    name: str


class Named(NamedTuple):
    """A range of seqs whose changes have one name."""

    first_seq: int
    last_seq: int
    name: str


@dataclass(frozen=True, slots=True)
class Origins:
    """All that a database knows, the newest first; at least one, and the oldest names whatever no other does."""

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
