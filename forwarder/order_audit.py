"""Whether the stream keeps the order it is given: the sequence numbers of a key rise. Pure.

A key has one record on its way at a time, so the number that acknowledges a record must be above the one before it in the
same shard. If it is not, what a consumer reads is not the order of commits, and nothing that we send can mend that.

The last acknowledgement of each of the keys seen lately is remembered, in two generations: a new one begins when the young
one has ``KEYS`` keys, and what the one before it holds alone is forgotten. It costs no look-up more than it must, unlike an
order of use. What is forgotten is not checked: an audit of busy keys, not a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forwarder.events import Record
from forwarder.kinesis_wire import Result

KEYS = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A record that was stored before its predecessor: in which shard, and the two sequence numbers."""

    shard_id: str
    before: str
    after: str


class OrderAudit:
    """The last acknowledgements by partition key."""

    __slots__ = ("_old", "_young")

    def __init__(self) -> None:
        self._young: dict[str, Result] = {}
        self._old: dict[str, Result] = {}

    def check(self, records: Sequence[Record], results: Sequence[Result]) -> Sequence[Regression]:
        """Take in the answer to a request, in the order of its records; what of it contradicts an earlier answer."""
        young, old = self._young, self._old
        regressions: list[Regression] = []
        # It runs for every record: hence nothing is called but the two look-ups.
        for record, result in zip(records, results, strict=True):
            if result.error_code:
                continue
            key = record.partition_key
            last = young.get(key) or old.get(key)
            young[key] = result
            if last is None or last.shard_id != result.shard_id:
                continue
            # Decimal numbers without leading zeros.
            before, after = last.sequence_number, result.sequence_number
            if (before < after) if len(before) == len(after) else (len(before) < len(after)):
                continue
            regressions.append(Regression(shard_id=result.shard_id, before=before, after=after))
        if len(young) >= KEYS:
            self._young, self._old = {}, young
        return regressions
