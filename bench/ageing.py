"""How one outbox did at the beginning of a run, and at its end. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.figures import quantile
from bench.pgbench import Send

# The first part of a run and the last, of five.
_PARTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a run: milliseconds from each commit in it to the arrival, and the most bytes that the outbox took."""

    latencies: Sequence[float]
    most_bytes: int

    @property
    def median(self) -> float:
        return quantile(self.latencies, 0.5)

    @property
    def p99(self) -> float:
        return quantile(self.latencies, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """The first part of a run and the last."""

    first: Part
    last: Part

    @property
    def ratio(self) -> float:
        """Of the latencies that 99 % keep within."""
        return self.last.p99 / self.first.p99


def aged(
    commits: Mapping[Send, float], arrivals: Mapping[Send, float], sizes: Mapping[float, int], *, ended: float
) -> Aged:
    """``sizes`` by when they were taken. What has not arrived when the run ``ended`` counts as if it had arrived then."""
    began, last = min(commits.values()), max(commits.values())
    length = (last - began) / _PARTS

    def part(since: float) -> Part:
        until = since + length
        return Part(
            latencies=[1000 * (arrivals.get(send, ended) - at) for send, at in commits.items() if since <= at <= until],
            most_bytes=max(size for at, size in sizes.items() if since <= at <= until),
        )

    return Aged(first=part(began), last=part(last - length))
