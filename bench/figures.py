"""What was measured, beside what it should be. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from rich.box import MARKDOWN
from rich.table import Table

# A row has room for so many runs. Of more it shows how many, the smallest and the largest.
MOST_RUNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One quantity, measured once a run; the median counts. Without a target it is there for comparison."""

    name: str
    unit: str
    runs: Sequence[float]
    digits: int = 0
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        return median(self.runs)

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f"≥ {self._text(self.at_least)}"
        return "" if self.at_most is None else f"≤ {self._text(self.at_most)}"

    @property
    def verdict(self) -> str:
        if not self.target:
            return ""
        too_low = self.at_least is not None and self.median < self.at_least
        too_high = self.at_most is not None and self.median > self.at_most
        return "short" if too_low or too_high else "ok"

    def cells(self) -> tuple[str, ...]:
        runs = "  ".join(map(self._text, self.runs))
        if len(self.runs) > MOST_RUNS:
            runs = f"{len(self.runs)}, {self._text(min(self.runs))} to {self._text(max(self.runs))}"
        return self.name, self._text(self.median), self.unit, self.target, self.verdict, runs

    def _text(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


def table(title: str, figures: Sequence[Figure]) -> Table:
    """The figures of one bench, one a row, ready to be pasted into README.md."""
    drawn = Table(box=MARKDOWN)
    drawn.add_column(title, no_wrap=True)
    drawn.add_column("median", justify="right", no_wrap=True)
    for heading in ("unit", "target", "", "runs"):
        drawn.add_column(heading, no_wrap=True)
    for figure in figures:
        drawn.add_row(*figure.cells())
    return drawn


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all values do not exceed."""
    return sorted(values)[ceil(share * len(values)) - 1]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Sequence[float]:
    """Run by run, so that each compares what was measured side by side."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]
