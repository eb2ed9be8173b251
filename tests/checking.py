"""`forwarder check` inside the test's own process, and what it found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from forwarder.capture.table_rules import rules_of
from forwarder.config.settings import Settings
from forwarder.doctor.examination import examine
from forwarder.doctor.finding import Finding, Verdict
from forwarder.doctor.own_role import OwnRole
from forwarder.doctor.report import Report
from forwarder.sinks.kinesis.stream_summary import StreamSummary

BAD = (Verdict.WARNING, Verdict.FAILURE)
OWNER = OwnRole(
    name="app_owner",
    is_superuser=False,
    password_seconds=None,
    is_standby=False,
    database="app",
    has_schema=True,
    owner="app_owner",
    is_owner=True,
    may_use_schema=True,
    may_create_schema=True,
    sees_all_sessions=True,
)
LISTENER = replace(OWNER, name="listener", is_owner=False, may_create_schema=False)
STREAM = StreamSummary(
    status="ACTIVE",
    mode="PROVISIONED",
    distribution=None,
    max_record_kib=1024,
    open_shards=2,
    encryption="NONE",
    key_id=None,
    answered_at=None,
)


async def checked(url: str, *, is_fast: bool = False, **settings: Any) -> Report:
    """Look at a database, and at the sinks of these settings, which are written as in the file: ``sink=[{"url": …}]``."""
    loaded = Settings.model_validate(settings)
    return await examine(loaded, url=url, rules=rules_of(loaded.table), is_fast=is_fast)


def found(report: Report, area: str) -> list[Finding]:
    """What was found in an area."""
    return [finding for section in report.sections if section.area == area for finding in section.findings]


def bad(report: Report) -> list[str]:
    """The warnings and failures, each as ``failure tables, triggers``."""
    return sorted(
        f"{finding.verdict} {section.area}, {finding.subject}"
        for section in report.sections
        for finding in section.findings
        if finding.verdict in BAD
    )


def told(report: Report, area: str, subject: str, *, verdicts: Iterable[Verdict] = BAD) -> Finding:
    """The one finding of this subject that is as bad."""
    chosen = set(verdicts)
    [one] = [finding for finding in found(report, area) if finding.subject == subject and finding.verdict in chosen]
    return one


def subjects(report: Report, area: str) -> Sequence[str]:
    """What was looked at there."""
    return [finding.subject for finding in found(report, area)]


def as_found(found: Finding) -> tuple[Verdict, str]:
    """How bad it is, and its remedy."""
    return found.verdict, found.remedy or ""
