"""docs/metrics.md, the dashboard and the alerts name the metrics that there are today, and no others."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml

from tests.packaging import ROOT
from tools import dashboard, metric_page

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:forwarder|process)_[a-z_]+", expression))


def panels() -> Sequence[dict[str, Any]]:
    found: Sequence[dict[str, Any]] = json.loads(dashboard.DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from group["rules"]


def existing() -> set[str]:
    return {sample for metric in metric_page.described() for sample in metric.samples}


@pytest.mark.skipif(sys.platform != "linux", reason="the library tells of processor and memory on Linux alone")
def test_the_page_is_what_make_docs_writes() -> None:
    assert metric_page.page() == metric_page.PAGE.read_text(), "run `make docs`"


def test_the_dashboard_is_what_make_docs_writes() -> None:
    assert dashboard.text() == dashboard.DASHBOARD.read_text(), "run `make docs`"


def test_every_metric_is_on_the_page() -> None:
    page = metric_page.PAGE.read_text()

    assert not [metric.name for metric in metric_page.described() if f"| `{metric.name}` |" not in page]


def test_every_metric_of_the_dashboard_exists() -> None:
    named = set().union(*(names_in(target["expr"]) for panel in panels() for target in panel["targets"]))

    assert named
    assert named <= existing()


def test_every_metric_of_the_alerts_exists() -> None:
    named = set().union(*(names_in(rule["expr"]) for rule in rules()))

    assert named
    assert named <= existing()


def test_no_panel_lies_on_another_one() -> None:
    taken = [
        (place["x"] + column, place["y"] + line)
        for place in (panel["gridPos"] for panel in panels())
        for column in range(place["w"])
        for line in range(place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(column for column, _ in taken) < 24


def test_every_panel_asks_the_data_source_that_is_chosen() -> None:
    for panel in panels():
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def test_each_alert_says_whom_it_concerns_and_has_its_heading_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text()
    headings = re.findall(r"^### (Forwarder\w+)$", runbook, re.MULTILINE)
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["labels"]["concerns"] in ("stream", "database", "capture", "forwarder")
        assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["alert"] in headings
    assert headings == [alert for alert in headings if alert in {rule["alert"] for rule in rules()}]
