"""Checks that the stream keeps the order it is given: a record that is stored later has the higher sequence number. Pure.

One number a shard is enough to check every record: its mark, the highest sequence number that the shard had acknowledged before the
request was sent. A key has at most one record under way, so the record before it is acknowledged by then, and its number is at most
the mark. An example; sequence numbers are shortened:

1. The shard has acknowledged 40 and 45, and 41 for the key ``public.orders.1``. The mark is 45.
2. The next record of ``public.orders.1`` is sent and gets 46. 46 is above 45, so it is above 41: the key is in order.
3. If it gets 43, that is a regression, though 43 is above 41. A consumer that has read the shard up to 45 goes on behind 45 and
   never sees 43.

Nothing that is sent afterwards can mend a regression; so it is reported, and delivery goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forwarder.sinks.kinesis.wire import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A record whose sequence number, ``after``, is not above the mark of its shard, ``before``."""

    shard_id: str
    before: str
    after: str


class OrderAudit:
    """The mark of each shard: the highest sequence number that it has acknowledged so far."""

    __slots__ = ("_highest",)

    def __init__(self) -> None:
        self._highest: dict[str, str] = {}

    def marks(self) -> Mapping[str, str]:
        """The marks now, by shard; to be taken before a request is sent."""
        return dict(self._highest)

    def check(self, results: Sequence[Result], marks: Mapping[str, str]) -> Sequence[Regression]:
        """Compare the answer to a request with the marks of before it, and raise the marks; at most one regression a shard.

        The mark of a shard that went back is lowered to what the answer says. Else every later record would be one more regression.
        """
        regressions: dict[str, Regression] = {}
        tops: dict[str, str] = {}
        # Runs for every record, so it calls no function that it can do without.
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
    """Whether ``after`` is the higher one. Both are decimal numbers without leading zeros; empty: lower than all."""
    return before < after if len(before) == len(after) else len(before) < len(after)
