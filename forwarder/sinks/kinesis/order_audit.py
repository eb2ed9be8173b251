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

from forwarder.sinks.kinesis.answer import Answer


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

    def check(self, answer: Answer, marks: Mapping[str, str]) -> Sequence[Regression]:
        """Compare the answer to a request with the marks of before it, and raise the marks; at most one regression a shard.

        The mark of a shard that went back is lowered to what the answer says. Else every later record would be one more regression.
        """
        lowest, tops = _span(answer)
        regressions = [
            Regression(shard_id=shard, before=marks[shard], after=number)
            for shard, number in lowest.items()
            if shard in marks and not _rises(marks[shard], number)
        ]
        gone_back = {regression.shard_id for regression in regressions}
        for shard, top in tops.items():
            if shard in gone_back or _rises(self._highest.get(shard, ""), top):
                self._highest[shard] = top
        return regressions


def _span(answer: Answer) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The lowest and the highest sequence number of each shard in an answer.

    A shard numbers the records of a request as they come, so this goes through an answer once, and compares each number with the one before it.
    It runs for every record, so it calls no function that it can do without.
    """
    lowest: dict[str, str] = {}
    tops: dict[str, str] = {}
    for shard, number in zip(answer.shard_ids, answer.sequence_numbers, strict=True):
        if not number:
            continue
        top = tops.get(shard)
        if top is None:
            lowest[shard] = tops[shard] = number
        # The same as `_rises(top, number)`, where they are of one length, as they are but for odd streams.
        elif (top < number) if len(top) == len(number) else (len(top) < len(number)):
            tops[shard] = number
        elif not _rises(lowest[shard], number):
            lowest[shard] = number
    return lowest, tops


def _rises(before: str, after: str) -> bool:
    """Whether ``after`` is the higher one. Both are decimal numbers without leading zeros; empty: lower than all."""
    return before < after if len(before) == len(after) else len(before) < len(after)
