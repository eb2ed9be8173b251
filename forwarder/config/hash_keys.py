"""Reads which part of a stream the tables of a sink's setting ``shards`` go to. Pure.

A part is written as ``"2/4"``: the second of four equal shards. It is turned into a hash in the middle of that part. So it stays the same place
in the stream when shards are split or merged, and the records of a key stay in order: they go on in a child of their shard. The number of a shard, or
its id, would mean another place after that. A number without a slash is the hash itself, which Kinesis calls ExplicitHashKey.
"""

from __future__ import annotations

import re

from forwarder.errors import Misconfigured

HASHES = 1 << 128
# More than any stream has.
MOST_PARTS = 100_000

_PART = re.compile(r"(\d{1,6})/(\d{1,6})")
_HASH = re.compile(r"\d{1,39}")


def hash_key(value: str) -> int:
    """The explicit hash key for a part of the stream.

    Raises:
        Misconfigured: there is no such part.
    """
    if part := _PART.fullmatch(value):
        number, parts = int(part[1]), int(part[2])
        if 1 <= number <= parts <= MOST_PARTS:
            return (2 * number - 1) * HASHES // (2 * parts)
    elif _HASH.fullmatch(value) and int(value) < HASHES:
        return int(value)
    raise Misconfigured(
        f'{value!r} is no part of a stream; write "1/4" for the first of four shards, or a hash below 2^128'
    )
