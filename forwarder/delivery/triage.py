"""What is to be done next with each of the records that a request has not stored. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from forwarder.delivery.sink import Rejection
from forwarder.records.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """The rejections of one request, each in one of these, and there in their order."""

    # Refused for good with their followers: offered again at once, with half of them, until the one is found that is at fault.
    divisible: Sequence[Record]
    # Refused for good, and alone.
    final: Sequence[Rejection]
    # Offered again after so many seconds, as the sink has asked.
    timed: Mapping[float, Sequence[Record]]
    # Offered again after a pause that depends on the failures so far.
    again: Sequence[Record]


def triage(rejections: Iterable[Rejection]) -> Triage:
    """Sort the rejections of one request."""
    divisible: list[Record] = []
    final: list[Rejection] = []
    timed: dict[float, list[Record]] = {}
    again: list[Record] = []
    for rejection in rejections:
        record = rejection.record
        if rejection.is_final and record.followers:
            divisible.append(record)
        elif rejection.is_final:
            final.append(rejection)
        elif rejection.wait_seconds is not None:
            timed.setdefault(rejection.wait_seconds, []).append(record)
        else:
            again.append(record)
    return Triage(divisible=divisible, final=final, timed=timed, again=again)
