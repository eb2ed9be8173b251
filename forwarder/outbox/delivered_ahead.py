"""What a sink has delivered beyond its position, where a change before that is still to come. Pure.

A position stands before the first change that is not delivered. While that one waits, for a shard that throttles, say, thousands of later
ones may be delivered; whoever goes on from the position after a crash would send them all again. So it is remembered as well which of the
changes up to some later position are *not* delivered: few, since no more is read than fits in memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import msgspec

from forwarder.outbox.position import Position

# So many changes take some 1,500 bytes, which fit into a row of the database.
MAX_UNDELIVERED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """Every change that ``end`` sees is delivered or set aside, but for those with these seqs."""

    end: Position
    undelivered: frozenset[int]

    def has(self, txid: int, seq: int) -> bool:
        """Whether this change need not be sent again."""
        return seq not in self.undelivered and self.end.sees(txid, seq)

    def is_behind(self, position: Position) -> bool:
        """Whether nothing that is read from this position on can be what this is about."""
        return position.batch is None and not self.end.furthest.is_after(position.delivered)

    def encode(self) -> bytes:
        """A few bytes to be kept in the database, for ``decode``."""
        seqs = sorted(self.undelivered)
        steps = [later - earlier for earlier, later in pairwise([0, *seqs])]
        return zlib.compress(msgspec.json.encode((self.end, steps)))


def decode(content: bytes) -> Ahead | None:
    """What was encoded; None if another release has done that, in another way."""
    try:
        end, steps = msgspec.json.decode(zlib.decompress(content), type=tuple[Position, Sequence[int]])
    except (zlib.error, msgspec.DecodeError):
        return None
    return Ahead(end=end, undelivered=frozenset(accumulate(steps)))
