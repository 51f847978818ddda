"""The report of a load test, as data (report.schema.json) and as a page: what was judged first, then what was seen."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gopherwood.loadtest.outcome import Outcome
from gopherwood.loadtest.slo import Check
from gopherwood.loadtest.verdict import Judged
from gopherwood.reporting import Cell, Head, Page

TITLES = {
    "ui": "Load test: people and programs at the front door",
    "replay": "Load test: the access log, played again",
    "backend": "Load test: modules from the queue to the store, twice",
    "build": "Load test: builds with empty caches",
}


def data(outcome: Outcome, judged: Judged) -> dict[str, Any]:
    """Return what report.json says beside the fields of every report."""
    return {
        "parameters": dict(outcome.parameters),
        "figures": dict(outcome.figures),
        "validity": [asdict(check) for check in judged.validity],
        "thresholds": [asdict(check) for check in judged.thresholds],
        "regression": [asdict(check) for check in judged.regression],
        "files": sorted(outcome.files),
        **outcome.data,
    }


def page(head: Head, outcome: Outcome, judged: Judged) -> str:
    """Return the page."""
    made = Page(head, TITLES[head.scenario])
    made.text(outcome.says)
    made.section("Judged")
    checks = [("valid", each) for each in judged.validity]
    checks += [("threshold", each) for each in judged.thresholds]
    checks += [("regression", each) for each in judged.regression]
    made.table(("", "what", "wanted", "found", ""), _rows(checks))
    if not judged.regression:
        made.text("Not compared with former runs: too few have passed here with the same parameters.", "soft")
    if judged.verdict == "invalid":
        made.text("What follows was seen, and says nothing of the platform: the run is invalid.", "warn")
    outcome.draw(made)
    if outcome.files:
        made.section("Histograms", "Percentiles in milliseconds, in the text form that HdrHistogram's plotters read.")
        made.table(("file",), [[Cell(name, link=name)] for name in sorted(outcome.files)])
    made.section("What it was told")
    made.facts(outcome.parameters)
    return made.html()


def _rows(checks: Sequence[tuple[str, Check]]) -> list[list[str | Cell]]:
    return [
        [kind, each.name, each.wanted, each.found, Cell("✓", "good") if each.ok else Cell("✗", "stop")]
        for kind, each in checks
    ]
