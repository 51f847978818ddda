"""The summary page: each data set's score, what failed with rows and links, trends, and what changed since yesterday.

It is made from what the catalog has kept of the last runs over everything, so that any data set's run renews it, and
from nothing else: the JSON beside it says the same.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from gopherwood import module
from gopherwood.catalog import QualityRun, RuleResult
from gopherwood.errors import ContentError
from gopherwood.quality.rules import STOP, WARN, DataSet

HERE = Path(__file__).parent / "pages"
POINTS = 30
"""Runs in a trend."""
MOVED = 0.1
"""Part by which a measure must have moved to be worth a line among the changes."""

History = Mapping[str, Sequence[QualityRun]]
"""The last runs over everything by data set, the newest first."""


def html(history: History, data_sets: Mapping[str, DataSet], days: Sequence[str], json_name: str) -> str:
    """Return the page; `days` are those with a page of their own."""
    loader = FileSystemLoader(HERE)
    pages = Environment(loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True)
    now = [runs[0] for runs in history.values()]
    at = max((run.at for run in now), default=datetime.now(UTC))
    former = _former(history, at)
    return pages.get_template("summary.html").render(
        day=at.date().isoformat(),
        at=f"{at:%Y-%m-%d %H:%M}",
        json=json_name,
        stops=sum(len(run.broken(STOP)) for run in now),
        warns=sum(len(run.broken(WARN)) for run in now),
        sets=sorted((_data_set(data_sets[name], runs) for name, runs in history.items()), key=_urgency),
        former_day=max((run.at for run in former.values()), default=at).date().isoformat() if former else "",
        changes=[change for run in now if run.data_set in former for change in changes(former[run.data_set], run)],
        days=days,
    )


def data(history: History) -> dict[str, Any]:
    """Return what the page says, as data."""
    return {
        "schema": 1,
        "data_sets": {
            name: {
                "at": runs[0].at.isoformat(),
                "score": runs[0].score,
                "rows": runs[0].rows,
                "seconds": runs[0].seconds,
                "measures": dict(runs[0].measures),
                "rules": [_plain(result) for result in runs[0].results],
            }
            for name, runs in history.items()
        },
    }


def changes(before: QualityRun, now: QualityRun) -> list[dict[str, str]]:
    """Return the rules that changed their word, and the measures that moved."""
    was = {result.rule: result for result in before.results}
    found = []
    for result in now.results:
        old = was.get(result.rule)
        if old is not None and (old.ok != result.ok or (not old.ok and old.failed != result.failed)):
            found.append(_change(now.data_set, result.rule, _word(old), _word(result)))
    for name, value in now.measures.items():
        old_value = before.measures.get(name)
        if isinstance(value, Mapping) or old_value is None or isinstance(old_value, Mapping):
            continue
        if abs(value - old_value) > MOVED * max(abs(old_value), 1e-9):
            found.append(_change(now.data_set, name, (_number(old_value), ""), (_number(value), "")))
    return found


def link(row: Mapping[str, Any]) -> str:
    """Return where more is to be read of the module that a sample is about, "" where it names none."""
    path, version = row.get("path"), row.get("version")
    try:
        module.check(str(path), str(version))
        return f"/{module.escape_path(str(path))}/@v/{module.escape_version(str(version))}.info"
    except ContentError:
        pass
    try:
        module.check_path(str(path))
    except ContentError:
        return ""
    return f"/{module.escape_path(str(path))}/@v/list"


def _urgency(data_set: Mapping[str, Any]) -> tuple[int, int, str]:
    """Sort data sets: first where something must be done."""
    return -data_set["stop"], -data_set["warn"], data_set["name"]


def _former(history: History, at: datetime) -> dict[str, QualityRun]:
    """Return each data set's last run of an earlier day."""
    older = {name: next((run for run in runs if run.at.date() < at.date()), None) for name, runs in history.items()}
    return {name: run for name, run in older.items() if run is not None}


def _data_set(data_set: DataSet, runs: Sequence[QualityRun]) -> dict[str, Any]:
    run = runs[0]
    why = {rule.name: rule.why for rule in data_set.rules}
    stop, warn = run.broken(STOP), run.broken(WARN)
    return {
        "name": data_set.name,
        "says": data_set.says,
        "score": run.score,
        "colour": "stop" if stop else "warn" if warn else "good",
        "rows": run.rows,
        "rules": len(run.results),
        "stop": len(stop),
        "warn": len(warn),
        "failed": [_rule(result, why.get(result.rule, "")) for result in (*stop, *warn)],
        "trends": _trends(runs),
    }


def _rule(result: RuleResult, why: str) -> dict[str, Any]:
    columns = sorted({name for row in result.samples for name in row}, key=_place)
    return {
        "name": result.rule,
        "severity": result.severity,
        "why": why,
        "detail": result.detail,
        "checked": result.checked,
        "failed": result.failed,
        "columns": columns,
        "samples": [
            [
                {"text": _text(row.get(name)), "link": link(row) if name in ("path", "version") else ""}
                for name in columns
            ]
            for row in result.samples
        ],
    }


def _place(column: str) -> tuple[int, str]:
    """Sort the columns of samples: names first."""
    first = ("path", "version", "requires", "report", "index", "key")
    return (first.index(column) if column in first else len(first), column)


def _trends(runs: Sequence[QualityRun]) -> list[dict[str, Any]]:
    """Return the lines of the score and of each measure that is a number, the oldest run first."""
    taken = list(reversed(runs[:POINTS]))
    series: dict[str, list[float]] = {"score": [run.score for run in taken]}
    for run in taken:
        for name, value in run.measures.items():
            if not isinstance(value, Mapping):
                series.setdefault(name, []).append(value)
    return [_trend(name, values) for name, values in series.items() if len(values) > 1]


def _trend(name: str, values: Sequence[float]) -> dict[str, Any]:
    low, high = min(values), max(values)
    span = high - low or 1.0
    step = 100 / (len(values) - 1)
    heights = [15.0 if high == low else 27 - 24 * (value - low) / span for value in values]
    points = " ".join(f"{number * step:.1f},{height:.1f}" for number, height in enumerate(heights))
    said = {"first": values[0], "last": values[-1], "low": low, "high": high}
    return {"name": name, "number": len(values), "points": points} | {key: _number(each) for key, each in said.items()}


def _change(data_set: str, what: str, before: tuple[str, str], now: tuple[str, str]) -> dict[str, str]:
    return {
        "data_set": data_set,
        "what": what,
        "before": before[0],
        "before_class": before[1],
        "now": now[0],
        "now_class": now[1],
    }


def _word(result: RuleResult) -> tuple[str, str]:
    return ("holds", "good") if result.ok else (f"fails on {result.failed:,}", result.severity)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def _plain(result: RuleResult) -> dict[str, Any]:
    return {
        "rule": result.rule,
        "severity": result.severity,
        "ok": result.ok,
        "checked": result.checked,
        "failed": result.failed,
        "samples": list(result.samples),
        "detail": result.detail,
    }
