"""The audit: compares what was committed with what came out of the stream. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

from forwarder.demo.ledger import Arrival, Change, Commit

# When COMMIT was sent, and when the record arrived in the stream.
_Journey: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """When the listener was killed, and when it was listening again; in seconds since the epoch."""

    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the audit found. ``phantoms`` were read and never committed: changes of a transaction that was rolled back.

    Latencies are in seconds, sorted, and of the first reading of each change. Those that an outage delayed stand apart.
    """

    committed: int
    read: int
    repeats: int
    lost: Sequence[Change]
    out_of_order: Sequence[Change]
    phantoms: Sequence[Change]
    latencies: Sequence[float]
    outage_latencies: Sequence[float]

    @property
    def held(self) -> bool:
        """Whether the promise held. Repeats are no breach of it: the promise is at least once."""
        return not (self.lost or self.out_of_order or self.phantoms)


def audit(commits: Iterable[Commit], arrivals: Sequence[Arrival], *, outages: Sequence[Absence] = ()) -> Findings:
    """Compare commits with arrivals. The arrivals of one shard stand in the order of that shard."""
    committed_at = {change: commit.at for commit in commits for change in commit.changes}
    firsts = first_readings(arrivals)
    read = {arrival.change for arrival in firsts}
    journeys = [(committed_at[arrival.change], arrival.at) for arrival in firsts if arrival.change in committed_at]
    usual, delayed = _apart(journeys, outages)
    return Findings(
        committed=len(committed_at),
        read=len(arrivals),
        repeats=len(arrivals) - len(firsts),
        lost=[change for change in committed_at if change not in read],
        out_of_order=_out_of_order(firsts),
        phantoms=_phantoms(firsts, committed_at.keys()),
        latencies=_latencies(usual),
        outage_latencies=_latencies(delayed),
    )


def first_readings(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """What is left when a consumer drops each record whose id it has seen before."""
    firsts: dict[str, Arrival] = {}
    for arrival in arrivals:
        firsts.setdefault(arrival.id, arrival)
    return list(firsts.values())


def percentile(latencies: Sequence[float], percent: float) -> float | None:
    """The smallest of the sorted ``latencies`` that ``percent`` of them do not exceed; None if there are none."""
    return latencies[max(0, ceil(len(latencies) * percent / 100) - 1)] if latencies else None


def _apart(journeys: Iterable[_Journey], outages: Iterable[Absence]) -> tuple[list[_Journey], list[_Journey]]:
    """The usual journeys, and those that an outage delayed.

    An outage delays what was under way in it, and also what was committed afterwards, until the last of the former has arrived.
    """
    usual, delayed = list(journeys), []
    for outage in outages:
        held_up = [journey for journey in usual if _overlap(journey, (outage.began_at, outage.ended_at))]
        recovered_at = max((arrived_at for _, arrived_at in held_up), default=outage.ended_at)
        delayed += [journey for journey in usual if _overlap(journey, (outage.began_at, recovered_at))]
        usual = [journey for journey in usual if not _overlap(journey, (outage.began_at, recovered_at))]
    return usual, delayed


def _overlap(one: _Journey, other: _Journey) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _latencies(journeys: Iterable[_Journey]) -> list[float]:
    return sorted(arrived_at - committed_at for committed_at, arrived_at in journeys)


def _out_of_order(firsts: Iterable[Arrival]) -> list[Change]:
    """The changes that were read after a later change of the same row: later by the row's own version, or by seq."""
    newest: dict[tuple[str, tuple[int, ...]], tuple[int, int]] = {}
    found = []
    for arrival in firsts:
        change = arrival.change
        row = (change.table, change.key)
        version, seq = newest.get(row, (0, 0))
        if change.version <= version or arrival.seq <= seq:
            found.append(change)
        newest[row] = (max(version, change.version), max(seq, arrival.seq))
    return found


def _phantoms(firsts: Iterable[Arrival], committed: Iterable[Change]) -> list[Change]:
    """The changes that were never committed.

    A version that is rolled back may be committed by the next transaction. Then one record of it is right, and a second one is a phantom.
    """
    unclaimed = set(committed)
    found = []
    for arrival in firsts:
        if arrival.change in unclaimed:
            unclaimed.remove(arrival.change)
        else:
            found.append(arrival.change)
    return found
