"""Whether the stream keeps the order it is given: what is stored later has the higher sequence number. Pure.

A key has one record on its way at a time. So when a record is sent, the one before it has been acknowledged, and the highest number
that its shard had acknowledged by then, for whatever key, is at least that one's. The record's own number must be above it. If it
is not, what a consumer reads is not the order of commits, and nothing that we send can mend that.

So what is remembered is a number a shard, and every record is checked. That it holds across keys, too, is what consumers rest on:
they note how far they have come in a shard by this number, and would never see what is stored below it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forwarder.kinesis_wire import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A record that was stored before what preceded it: in which shard, and the two sequence numbers."""

    shard_id: str
    before: str
    after: str


class OrderAudit:
    """The highest sequence numbers acknowledged so far."""

    __slots__ = ("_highest",)

    def __init__(self) -> None:
        self._highest: dict[str, str] = {}

    def marks(self) -> Mapping[str, str]:
        """The highest number of each shard up to now, to be taken before a request is made."""
        return dict(self._highest)

    def check(self, results: Sequence[Result], marks: Mapping[str, str]) -> Sequence[Regression]:
        """Take in the answer to a request; what of it contradicts the marks of before it. From there on, it is what counts."""
        highest = self._highest
        regressions: list[Regression] = []
        # It runs for every record: hence nothing is called that need not be.
        for result in results:
            if result.error_code:
                continue
            shard, number = result.shard_id, result.sequence_number
            mark = marks.get(shard)
            if mark is not None and not _rises(mark, number):
                regressions.append(Regression(shard_id=shard, before=mark, after=number))
                highest[shard] = number
            elif _rises(highest.get(shard, ""), number):
                highest[shard] = number
        return regressions


def _rises(before: str, after: str) -> bool:
    """Of decimal numbers without leading zeros."""
    return before < after if len(before) == len(after) else len(before) < len(after)
