"""What was found in all areas. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forwarder.doctor.finding import Finding, Verdict

_FROM_GOOD_TO_BAD = list(Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What was found in one area, in the order in which it was looked at."""

    area: str
    findings: Sequence[Finding]

    @property
    def worst(self) -> Verdict:
        """The worst verdict in it."""
        return worst(self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All sections, in the order in which they were looked at."""

    sections: Sequence[Section]

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """How many findings there are of each verdict, from bad to good."""
        found = Counter(finding.verdict for section in self.sections for finding in section.findings)
        return {verdict: found[verdict] for verdict in reversed(Verdict)}

    @property
    def worst(self) -> Verdict:
        """The worst verdict of all."""
        return worst([finding for section in self.sections for finding in section.findings])

    def worst_last(self) -> Sequence[Section]:
        """The sections and their findings so that the worst stand at the end, where a terminal shows them."""
        sections = [
            Section(area=section.area, findings=sorted(section.findings, key=_badness)) for section in self.sections
        ]
        return sorted(sections, key=lambda section: _FROM_GOOD_TO_BAD.index(section.worst))


def worst(findings: Sequence[Finding]) -> Verdict:
    """The worst verdict among them; ok if there are none."""
    return max((finding.verdict for finding in findings), key=_FROM_GOOD_TO_BAD.index, default=Verdict.OK)


def _badness(finding: Finding) -> int:
    return _FROM_GOOD_TO_BAD.index(finding.verdict)
