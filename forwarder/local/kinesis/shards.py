"""Shards: which part of the hash space each one covers, and how they split, merge and descend. Pure.

A list of shards has all shards of a stream, open and closed, in the order of their creation: shard ``n`` is ``shards[n]``. Each operation
returns a new list, in which the parents are closed and the children stand at the end. The open shards of a list cover the hash space
[0, 2**128) exactly once.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

HASH_SPACE = 1 << 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One shard. Times are seconds of the Unix epoch; both ends of the hash range belong to it."""

    number: int
    first_hash: int
    last_hash: int
    created_at: float
    created_second: int
    parent: int | None = None
    adjacent_parent: int | None = None
    closed_at: float | None = None

    @property
    def shard_id(self) -> str:
        return f"shardId-{self.number:012d}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def parents(self) -> tuple[int, ...]:
        return tuple(number for number in (self.parent, self.adjacent_parent) if number is not None)


class HashRing:
    """The open shards in the order of their hash ranges: finds the one that a hash key belongs to."""

    __slots__ = ("_first_hashes", "_numbers")

    def __init__(self, shards: Sequence[Shard]) -> None:
        ring = by_hash(shards)
        self._first_hashes = [shard.first_hash for shard in ring]
        self._numbers = [shard.number for shard in ring]

    def number_of(self, hash_key: int) -> int:
        """The number of the open shard that ``hash_key`` (0 to 2**128 - 1) belongs to."""
        return self._numbers[bisect_right(self._first_hashes, hash_key) - 1]


def by_hash(shards: Sequence[Shard]) -> list[Shard]:
    """The open shards in the order of their hash ranges."""
    return sorted((shard for shard in shards if shard.is_open), key=lambda shard: shard.first_hash)


def uniform(count: int, *, now: float) -> list[Shard]:
    """The shards of a new stream: ``count`` of them, equally wide (the last one takes the rest, as on AWS)."""
    starts = _uniform_starts(count)
    return [
        Shard(number=number, first_hash=start, last_hash=end - 1, created_at=now, created_second=int(now))
        for number, (start, end) in enumerate(pairwise([*starts, HASH_SPACE]))
    ]


def split(shards: Sequence[Shard], number: int, *, at: int, now: float) -> list[Shard]:
    """Close shard ``number`` and open two: its hash range below ``at``, and the rest. ``at`` lies inside the range."""
    parent = shards[number]
    return [
        *_closed(shards, (number,), now=now),
        _child(shards, (number,), position=0, first_hash=parent.first_hash, last_hash=at - 1, now=now),
        _child(shards, (number,), position=1, first_hash=at, last_hash=parent.last_hash, now=now),
    ]


def merge(shards: Sequence[Shard], lower: int, upper: int, *, now: float) -> list[Shard]:
    """Close two shards and open one over both of their hash ranges; ``upper`` begins where ``lower`` ends."""
    child = _child(
        shards,
        (lower, upper),
        position=0,
        first_hash=shards[lower].first_hash,
        last_hash=shards[upper].last_hash,
        now=now,
    )
    return [*_closed(shards, (lower, upper), now=now), child]


def rescale(shards: Sequence[Shard], count: int, *, now: float) -> list[Shard]:
    """Split and merge until ``count`` equally wide shards are open.

    First, shards are split wherever a boundary of the target is missing; then all between two boundaries are merged. As on AWS, there may
    be shards on the way that live for a moment only.
    """
    starts = _uniform_starts(count)
    current = list(shards)
    for start in starts:
        inside = current[HashRing(current).number_of(start)]
        if inside.first_hash != start:
            current = split(current, inside.number, at=start, now=now)
    while pair := _mergeable(current, frozenset(starts)):
        current = merge(current, *pair, now=now)
    return current


def _uniform_starts(count: int) -> list[int]:
    width = HASH_SPACE // count
    return [index * width for index in range(count)]


def _mergeable(shards: Sequence[Shard], starts: frozenset[int]) -> tuple[int, int] | None:
    """The first two neighbours with no boundary of the target between them."""
    neighbours = pairwise(by_hash(shards))
    return next(((lower.number, upper.number) for lower, upper in neighbours if upper.first_hash not in starts), None)


def _closed(shards: Sequence[Shard], numbers: tuple[int, ...], *, now: float) -> list[Shard]:
    return [replace(shard, closed_at=now) if shard.number in numbers else shard for shard in shards]


def _child(
    shards: Sequence[Shard], parents: tuple[int, ...], *, position: int, first_hash: int, last_hash: int, now: float
) -> Shard:
    """The child at ``position`` among its siblings.

    Its creation second is above those of its parents. Sequence numbers begin with that second, so a child's are above its parents'.
    """
    return Shard(
        number=len(shards) + position,
        first_hash=first_hash,
        last_hash=last_hash,
        created_at=now,
        created_second=max(int(now), *(shards[number].created_second + 1 for number in parents)),
        parent=parents[0],
        adjacent_parent=parents[1] if len(parents) == 2 else None,
    )
