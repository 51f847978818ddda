"""Grafana's dashboards as code: declared in boards/, written as JSON that people review.

    make dashboards

writes helm-values/base/dashboards. Everything a panel asks is tried against a real Prometheus that scrapes the real
programs (make test-monitoring). Authority: Grafana's documentation, "Dashboard JSON model".
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA = 39
"""Version of Grafana's model of dashboards: Grafana 11; newer ones bring it up to date by themselves."""
WIDTH = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: what is asked, each with its legend, and in which unit the answer is (Grafana's names of units)."""

    title: str
    unit: str
    asks: Sequence[tuple[str, str]]
    kind: Literal["timeseries", "stat", "bargauge"] = "timeseries"
    width: int = 8
    says: str = ""
    bad_above: float | None = None
    """From which value on it is red."""


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: rows of panels under headings."""

    name: str
    title: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

    @property
    def uid(self) -> str:
        """What it is known by, for ever: links name it."""
        return f"gopherwood-{self.name}"


def render(board: Board) -> str:
    """Return a dashboard's JSON."""
    model = {
        "uid": board.uid,
        "title": f"Gopherwood / {board.title}",
        "tags": ["gopherwood"],
        "schemaVersion": SCHEMA,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "links": [{"type": "dashboards", "tags": ["gopherwood"], "title": "Gopherwood", "asDropdown": True}],
        "panels": list(_panels(board)),
    }
    return json.dumps(model, indent=1, ensure_ascii=False) + "\n"


def _panels(board: Board) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for heading, panels in board.rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": heading,
            "collapsed": False,
            "panels": [],
            "gridPos": _at(0, top, 24, 1),
        }
        left, top, height = 0, top + 1, 0
        for panel in panels:
            if left + panel.width > WIDTH:
                left, top = 0, top + height
            number += 1
            height = 4 if panel.kind == "stat" else 8
            yield {"id": number, "gridPos": _at(left, top, panel.width, height), **_panel(panel)}
            left += panel.width
        top += height


def _panel(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad_above is not None:
        steps.append({"color": "red", "value": panel.bad_above})
    shown: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        shown["min"] = 0
        shown["custom"] = {"fillOpacity": 10, "thresholdsStyle": {"mode": "line" if len(steps) > 1 else "off"}}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": shown, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": DATASOURCE, "expr": expr, "legendFormat": legend or "__auto"}
            for n, (expr, legend) in enumerate(panel.asks)
        ],
    }


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}
