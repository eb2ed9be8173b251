"""What a sink has delivered beyond its position. Pure.

A position stands before the first change that is not delivered. While that one waits, for a shard that throttles, say, thousands of later
ones may be delivered, and a restart from the position would send them all again. So a later position is remembered as well, and which of
the changes up to there are *not* delivered: few, since no more is read than fits in memory.

Example: seq 5 waits, seq 6 to 900 are delivered. The position stands before 5, and ``Ahead`` has the position after 900 with 5 as the only
seq that is not delivered. The next leader sends 5, and passes over 6 to 900.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import msgspec

from forwarder.outbox.position import Position

# So many seqs are encoded in some 1,500 bytes, which fit into a row without TOAST.
MAX_UNDELIVERED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """Every change that ``end`` sees is delivered or set aside, except those with the ``undelivered`` seqs."""

    end: Position
    undelivered: frozenset[int]

    def has(self, txid: int, seq: int) -> bool:
        """Whether this change need not be sent again."""
        return seq not in self.undelivered and self.end.sees(txid, seq)

    def is_behind(self, position: Position) -> bool:
        """Whether a sink at this position has read all that ``end`` sees, so that this can be forgotten."""
        return position.batch is None and not self.end.furthest.is_after(position.delivered)

    def encode(self) -> bytes:
        """A few bytes to be kept in the database, for ``decode``: the seqs as differences, which compress well."""
        seqs = sorted(self.undelivered)
        steps = [later - earlier for earlier, later in pairwise([0, *seqs])]
        return zlib.compress(msgspec.json.encode((self.end, steps)))


def decode(content: bytes) -> Ahead | None:
    """What ``encode`` has written; None if it was another release that encodes it in another way."""
    try:
        end, steps = msgspec.json.decode(zlib.decompress(content), type=tuple[Position, Sequence[int]])
    except (zlib.error, msgspec.DecodeError):
        return None
    return Ahead(end=end, undelivered=frozenset(accumulate(steps)))
