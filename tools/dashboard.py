"""Writes deploy/grafana/forwarder.json, a dashboard for Grafana 10 and later. ``make docs``"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tools.dashboard_panels import ROWS, Panel

DASHBOARD = Path(__file__).parents[1] / "deploy" / "grafana" / "forwarder.json"

# Grafana lays panels on a grid of so many columns.
_COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def text() -> str:
    """The dashboard as JSON."""
    return json.dumps(_dashboard(), indent=2) + "\n"


def _dashboard() -> Mapping[str, Any]:
    return {
        "title": "forwarder",
        "uid": "forwarder",
        "description": "Row changes on their way from PostgreSQL to Kinesis. docs/metrics.md says what each figure is.",
        "tags": ["forwarder", "postgresql", "kinesis"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": [_source_variable(), *_label_variables()]},
        "panels": list(_panels()),
    }


def _source_variable() -> Mapping[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}


def _label_variables() -> Iterator[Mapping[str, Any]]:
    for name, query in (
        ("job", "label_values(forwarder_build_info, job)"),
        ("sink", 'label_values(forwarder_sink_leader{job=~"$job"}, sink)'),
    ):
        yield {
            "name": name,
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }


def _panels() -> Iterator[Mapping[str, Any]]:
    """The rows with their panels, from the top left to the bottom right."""
    ids, top = count(1), 0
    for heading, panels in ROWS:
        yield {
            "id": next(ids),
            "type": "row",
            "title": heading,
            "collapsed": False,
            "panels": [],
            "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": top},
        }
        top, left = top + 1, 0
        height = 4 if panels[0].kind == "stat" else 8
        for panel in panels:
            if left + panel.columns > _COLUMNS:
                top, left = top + height, 0
            yield _panel(panel, next(ids), {"h": height, "w": panel.columns, "x": left, "y": top})
            left += panel.columns
        top += height


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> Mapping[str, Any]:
    is_stat = panel.kind == "stat"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for place, (legend, expression) in enumerate(panel.lines.items())
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _STAT_OPTIONS if is_stat else _CHART_OPTIONS,
    }


_STAT_OPTIONS = {
    "colorMode": "background",
    "graphMode": "none",
    "justifyMode": "auto",
    "orientation": "auto",
    "textMode": "value",
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
}
_CHART_OPTIONS = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
    "tooltip": {"mode": "multi", "sort": "desc"},
}


def _defaults(panel: Panel) -> Mapping[str, Any]:
    """How values are shown."""
    if panel.kind == "stat":
        return {
            "unit": panel.unit,
            "noValue": "not known",
            "color": {"mode": "thresholds"},
            "thresholds": {"mode": "absolute", "steps": _steps(panel)},
        }
    stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
    return {
        "unit": panel.unit,
        "min": 0,
        "color": {"mode": "palette-classic"},
        "custom": {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 10,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": stacking,
        },
    }


def _steps(panel: Panel) -> Sequence[Mapping[str, Any]]:
    if panel.floor is not None:
        return [{"color": "orange", "value": None}, {"color": "green", "value": panel.floor}]
    return [{"color": "green", "value": None}, {"color": "red", "value": panel.red_from}]


if __name__ == "__main__":
    DASHBOARD.write_text(text())
