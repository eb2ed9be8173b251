"""The alerts and the dashboard as Prometheus understands them; `promtool` is in Debian's package prometheus."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.packaging import ROOT
from tools import dashboard

PROMETHEUS = ROOT / "deploy" / "prometheus"

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is missing: apt-get install prometheus")


def promtool(*arguments: str) -> str:
    """What it says; fails if it finds fault."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_understands_the_configuration_and_the_alerts() -> None:
    promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_each_alert_is_raised_when_it_should_be_and_not_before() -> None:
    promtool("test", "rules", str(PROMETHEUS / "alerts_test.yml"))
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    expected = [case for test in tests for case in test["alert_rule_test"]]

    assert {case["alertname"] for case in expected if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in expected if not case["exp_alerts"]} == alerts


def test_prometheus_understands_every_panel_of_the_dashboard(tmp_path: Path) -> None:
    panels = json.loads(dashboard.DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    # It checks files of rules alone. `$job` and `$sink` are texts to it; `$__rate_interval` stands for a time.
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(expressions)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    assert f"{len(expressions)} rules found" in promtool("check", "rules", str(file))
