"""When the records that a request has not stored are offered again. Pure but for chance.

There are four cases, for each record:

1. The sink has named a time: so long.
2. The sink refuses it for good, and its lane is to wait until somebody has mended that: ``REFUSED_SECONDS``.
3. The sink rejects it, and has done something else with another record of the request, which shows that it works: from 0.025 to 0.25 s, by
   how often it was rejected itself.
4. The sink has rejected all records of the request: it is in trouble itself, and they wait by how long that has lasted
   (``forwarder.delivery.outage``), up to 2 s.

Example: of 500 records 2 are rejected, one for the first and one for the third time. The first waits 0.05 s at most, the other 0.2 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from forwarder.backoff import delay_seconds
from forwarder.delivery.outage import Outage
from forwarder.delivery.triage import Triage
from forwarder.records.record import Record

FIRST_SECONDS = 0.05
# The longest pause while the sink stores nothing.
MAX_SECONDS = 2.0
# The longest pause of a record that is rejected beside others that are not: most likely its shard is at its limit for a moment.
REJECTED_MAX_SECONDS = 0.25
# Long, since the request of each try has to be halved until the record is found that is at fault.
REFUSED_SECONDS = 10.0


class Retries:
    """The pauses of one sink. It remembers for how long the sink has stored nothing."""

    def __init__(self) -> None:
        self._outage = Outage(first_seconds=FIRST_SECONDS, max_seconds=MAX_SECONDS)

    def pauses(
        self, sorted_out: Triage, *, refused: Sequence[Record], offered: int, began: float, now: float
    ) -> Iterator[tuple[float, Sequence[Record]]]:
        """How many seconds which records of a request wait. It held ``offered`` records, and ``began`` then.

        ``refused`` are those of case 2.
        """
        yield from sorted_out.timed.items()
        if refused:
            yield REFUSED_SECONDS, refused
        again = sorted_out.again
        for record in again:
            record.attempts += 1
        not_stored = len(again) + len(sorted_out.divisible) + sum(map(len, sorted_out.timed.values()))
        if not_stored < offered:
            # It has stored some, or refused some for good, which is an answer as well.
            self._outage.ended()
        if len(again) < offered:
            yield from ((_rejected_seconds(group), group) for group in _by_attempts(again))
        else:
            # All after one pause, so that they keep their order, on which ``forwarder.delivery.schedules.fifo`` relies.
            yield max(self._outage.failed(began=began, now=now), _rejected_seconds(again)), again


def _rejected_seconds(records: Sequence[Record]) -> float:
    """The pause of the record among these that was rejected most often."""
    attempts = max(record.attempts for record in records)
    return delay_seconds(attempts, first_seconds=FIRST_SECONDS, max_seconds=REJECTED_MAX_SECONDS)


def _by_attempts(records: Sequence[Record]) -> Sequence[Sequence[Record]]:
    groups: dict[int, list[Record]] = {}
    for record in records:
        groups.setdefault(record.attempts, []).append(record)
    return list(groups.values())
