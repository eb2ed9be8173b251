"""Which explicit hash keys the tables of a sink have, by the patterns of its setting ``shards``. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from forwarder.capture.selection import Pattern
from forwarder.config.hash_keys import hash_key
from forwarder.events import CapturedTable
from forwarder.records.packing import HashKeyOf


def hash_keys(shards: Mapping[str, str]) -> HashKeyOf | None:
    """A function from tables to their hash keys, where the last pattern that matches counts; None if there are no patterns.

    Raises:
        Misconfigured: a pattern is no name and no glob, or there is no such part of a stream.
    """
    if not shards:
        return None
    patterns = [(Pattern(pattern), hash_key(part)) for pattern, part in shards.items()]
    answers: dict[CapturedTable, int | None] = {}

    def hash_key_of(table: CapturedTable) -> int | None:
        if table not in answers:
            matching = [key for pattern, key in patterns if pattern.matches(table)]
            answers[table] = matching[-1] if matching else None
        return answers[table]

    return hash_key_of
