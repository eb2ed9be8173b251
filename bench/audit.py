"""What became of the records of ``delivery``, told from what the local Kinesis has stored. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from forwarder.local.kinesis.protocol import Record

# Each payload says which event it is, inside an aggregate too.
_SEQ = re.compile(rb"seq=(\d{12});")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """``inversions`` counts first occurrences that come after a later one of their key."""

    lost: int
    repeated: int
    inversions: int
    # Between two first occurrences of one key that follow each other, or from the start to the first.
    longest_wait_seconds: float


def audit(records: Iterable[Record], *, events: int, began: float) -> Audit:
    """``records`` in the order in which each shard stored them; ``began`` in seconds of the Unix epoch."""
    seen: set[int] = set()
    last: dict[str, tuple[int, float]] = {}
    repeated = inversions = 0
    longest = 0.0
    for record in records:
        for seq in map(int, _SEQ.findall(record.data)):
            if seq in seen:
                repeated += 1
                continue
            seen.add(seq)
            last_seq, last_at = last.get(record.partition_key, (-1, began))
            inversions += seq < last_seq
            longest = max(longest, record.approximate_arrival_timestamp - last_at)
            last[record.partition_key] = (max(seq, last_seq), record.approximate_arrival_timestamp)
    return Audit(lost=events - len(seen), repeated=repeated, inversions=inversions, longest_wait_seconds=longest)
