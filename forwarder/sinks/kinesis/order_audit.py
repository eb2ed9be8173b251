"""Whether the stream keeps the order it is given: what is stored later has the higher sequence number. Pure.

A key has one record on its way at a time. So when a record is sent, the one before it has been acknowledged, and the highest number
that its shard had acknowledged by then, for whatever key, is at least that one's. A record's own number above it proves that its key
is in order. If it is not above, what a consumer reads may not be the order of commits, and nothing that we send can mend that.

So what is remembered is a number a shard, and every record is checked. That it holds across keys, too, is what consumers rest on:
they note how far they have come in a shard by this number, and would never see what is stored below it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forwarder.sinks.kinesis.wire import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A record that was stored before what had been acknowledged: in which shard, and the two sequence numbers."""

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
        """Take in the answer to a request; the shards in which it contradicts the marks of before it, each once.

        In these, what the answer says is what counts from there on.
        """
        regressions: dict[str, Regression] = {}
        tops: dict[str, str] = {}
        # It runs for every record: hence nothing is called that need not be.
        for result in results:
            if result.error_code:
                continue
            shard, number = result.shard_id, result.sequence_number
            mark = marks.get(shard)
            if mark is not None and not _rises(mark, number) and shard not in regressions:
                regressions[shard] = Regression(shard_id=shard, before=mark, after=number)
            if _rises(tops.get(shard, ""), number):
                tops[shard] = number
        for shard, top in tops.items():
            if shard in regressions or _rises(self._highest.get(shard, ""), top):
                self._highest[shard] = top
        return list(regressions.values())


def _rises(before: str, after: str) -> bool:
    """Of decimal numbers without leading zeros."""
    return before < after if len(before) == len(after) else len(before) < len(after)
