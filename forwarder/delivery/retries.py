"""When what a request has not stored is offered again. Pure but for chance.

There are four cases:
 1. The sink has named a time: a record waits that long.
 2. It refuses a record for good, and its lane is to wait for somebody to mend that: ``REFUSED_SECONDS``.
 3. It has stored other records of the request: the record waits by how often it was refused itself.
 4. It has stored nothing: the sink itself is in trouble, and all wait as long as that suggests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from forwarder.backoff import delay_seconds
from forwarder.delivery.outage import Outage
from forwarder.delivery.triage import Triage
from forwarder.records.record import Record

FIRST_SECONDS = 0.05
# While the sink stores nothing.
MAX_SECONDS = 2.0
# The sink is well, and refuses single records: a shard that is at its limit for a moment, most likely.
REJECTED_MAX_SECONDS = 0.25
# Each try costs its request a search for the record that is at fault.
REFUSED_SECONDS = 10.0


class Retries:
    """The pauses of one sink; it knows of the outage that is going on, if one is."""

    def __init__(self) -> None:
        self._outage = Outage(first_seconds=FIRST_SECONDS, max_seconds=MAX_SECONDS)

    def pauses(
        self, sorted_out: Triage, *, halted: Sequence[Record], offered: int, began: float, now: float
    ) -> Iterator[tuple[float, Sequence[Record]]]:
        """After how many seconds which records are offered again, of a request of ``offered`` records that was begun then.

        ``halted`` are those that were refused for good and stay in their lanes all the same.
        """
        yield from sorted_out.timed.items()
        if halted:
            yield REFUSED_SECONDS, halted
        again = sorted_out.again
        for record in again:
            record.attempts += 1
        not_stored = len(again) + len(sorted_out.divisible) + sum(map(len, sorted_out.timed.values()))
        if not_stored < offered:
            # Refused for good is an answer, too.
            self._outage.ended()
        if len(again) < offered:
            # A record that is new to rejection need not wait as long as an old hand.
            yield from ((_rejected_seconds(group), group) for group in _by_attempts(again))
        else:
            # All together, so that they keep their order, which a ``forwarder.delivery.schedules.fifo.Fifo`` relies on.
            yield max(self._outage.failed(began=began, now=now), _rejected_seconds(again)), again


def _rejected_seconds(records: Sequence[Record]) -> float:
    attempts = max(record.attempts for record in records)
    return delay_seconds(attempts, first_seconds=FIRST_SECONDS, max_seconds=REJECTED_MAX_SECONDS)


def _by_attempts(records: Sequence[Record]) -> Sequence[Sequence[Record]]:
    groups: dict[int, list[Record]] = {}
    for record in records:
        groups.setdefault(record.attempts, []).append(record)
    return list(groups.values())
