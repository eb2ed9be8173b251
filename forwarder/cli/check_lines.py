"""The words of ``forwarder check``: a table on a terminal, a line for each finding elsewhere. Pure.

failure  tables, triggers: public.orders: a trigger was disabled or altered -> run `forwarder migrate`
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from forwarder.cli.terminal_text import safe
from forwarder.doctor.finding import Finding, Verdict
from forwarder.doctor.report import Report

_STYLES = {Verdict.OK: "green", Verdict.NOTE: "cyan", Verdict.WARNING: "yellow", Verdict.FAILURE: "bold red"}


def plain_lines(report: Report) -> Iterator[str]:
    """One line for each finding, the worst last."""
    for section in report.worst_last():
        for finding in section.findings:
            remedy = f" -> {finding.remedy}" if finding.remedy else ""
            yield safe(f"{finding.verdict:<7}  {section.area}, {finding.subject}: {finding.text}{remedy}")


def table(report: Report) -> Table:
    """The same for a terminal, by area."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column()
    for section in report.worst_last():
        grid.add_row("", Text(section.area, style="bold"))
        for finding in section.findings:
            grid.add_row(Text(finding.verdict, style=_STYLES[finding.verdict]), _described(finding))
    return grid


def _described(finding: Finding) -> Text:
    text = Text(safe(f"{finding.subject}: {finding.text}"))
    if finding.remedy:
        text.append(f"\n→ {safe(finding.remedy)}", style="bold")
    return text


def summary(report: Report) -> str:
    """The last line: how many findings there are of each verdict."""
    return ", ".join(f"{verdict.value}: {count}" for verdict, count in report.counts.items())
