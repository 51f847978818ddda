"""A run of the checks from end to end: snapshot, data set after data set, history, events, reports, exit code."""

import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

from gopherwood import errors
from gopherwood.catalog import Catalog, Event, QualityRun, RuleResult
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, UsageError
from gopherwood.quality import datasets
from gopherwood.quality.rules import STOP, WARN, Cut, DataSet

log = logging.getLogger(__name__)

SHOWN = 3
"""Failing rows that are shown on a terminal, and told in an event."""
DIGEST = "quality-digest"
"""The kind of the daily event, and the cursor that says for which day there has been one."""


@dataclass(slots=True)
class Said:
    """What the checks of one data set came to, for people."""

    data_set: str
    score: int
    rows: int
    rules: int
    stop: list[RuleResult] = field(default_factory=list)
    warn: list[RuleResult] = field(default_factory=list)


@dataclass(slots=True)
class Result:
    """What the checks came to."""

    data_sets: list[Said]
    deferred: bool = False
    """Whether the exit code says nothing of what was found."""
    report: str = ""
    """Where the reports are."""

    @property
    def failed(self) -> int:
        """How many stop rules failed."""
        return sum(len(each.stop) for each in self.data_sets)

    @property
    def exit_code(self) -> int:
        """3 when a stop rule failed; a warning is none. 99 when nothing was checked."""
        if not self.data_sets:
            return errors.EXIT_NOTHING_TO_DO
        return errors.EXIT_INTEGRITY if self.failed and not self.deferred else errors.EXIT_DONE

    def text(self) -> str:
        """Return a line a data set, and under it what failed."""
        lines = []
        for each in self.data_sets:
            ended = f"{len(each.stop)} stop, {len(each.warn)} warn" if each.stop or each.warn else "all hold"
            lines.append(f"{each.data_set:10} {each.score:3} of 100   {each.rows} rows, {each.rules} rules: {ended}")
            lines += [line for result in (*each.stop, *each.warn) for line in _lines(result)]
        return "\n".join([*lines, f"report     {self.report}"] if self.report else lines or ["nothing was checked"])


def run(
    settings: Settings,
    names: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    *,
    deferred: bool,
    stop: threading.Event,
    catalog: Catalog | None = None,
) -> Result:
    """Check data sets at one moment of the catalog, each row or those of an interval; keep, tell and report.

    `catalog`, when given, stays open. Raises UsageError for a name of no data set, ConfigError without the library.
    """
    chosen = _chosen(names)
    try:
        from gopherwood.quality import site
        from gopherwood.quality.check import check
    except ModuleNotFoundError as error:
        hint = "install gopherwood[quality], or use the image that has it"
        raise ConfigError(f"the checks need {error.name}, which is not here", hint=hint) from error

    checked = []
    with ExitStack() as stack:
        catalog = catalog or stack.enter_context(Catalog.ready(settings))
        with catalog.snapshot() as snapshot:
            for data_set in chosen:
                if stop.is_set():
                    break
                found = check(data_set, Cut(settings, catalog, snapshot, since, until))
                log.info("checked", extra={"data_set": data_set.name, "rows": found.run.rows, "score": found.run.score})
                checked.append(found)
        for found in checked:
            catalog.record_quality(found.run, _failures(found.run))
        _digest(catalog, [found.run for found in checked])
        report = site.write(settings, catalog, checked)
    return Result([_said(found.run) for found in checked], deferred, report)


def verdict(settings: Settings, names: Sequence[str], since: datetime | None, until: datetime | None) -> Result:
    """Tell what the last checks of an interval (or of everything) said. Nothing is checked, imported or written."""
    with Catalog.ready(settings) as catalog:
        last = [catalog.quality_runs(each.name, limit=1, interval=(since, until)) for each in _chosen(names)]
    return Result([_said(run) for runs in last for run in runs])


def _chosen(names: Sequence[str]) -> list[DataSet]:
    known = datasets.all_of_them()
    if unknown := sorted(set(names) - known.keys()):
        raise UsageError(f"no data set is called {unknown[0]!r}", hint=f"there are {', '.join(known)}")
    return [each for name, each in known.items() if not names or name in names]


def _said(run: QualityRun) -> Said:
    return Said(run.data_set, run.score, run.rows, len(run.results), run.broken(STOP), run.broken(WARN))


def _failures(run: QualityRun) -> list[Event]:
    """Return an event for each stop rule that failed: somebody is paged by them."""
    return [
        Event(
            "quality-failed",
            f"{run.data_set}/{result.rule}",
            {"failed": result.failed, "samples": list(result.samples[:SHOWN]), "detail": result.detail},
        )
        for result in run.broken(STOP)
    ]


def _digest(catalog: Catalog, runs: Sequence[QualityRun]) -> None:
    """Tell once a day what the checks of everything came to, the good news too."""
    whole = [run for run in runs if run.is_whole]
    today = catalog.clock().date().isoformat()
    if len(whole) < len(datasets.all_of_them()) or catalog.cursor(DIGEST) == today:
        return
    sets = {
        run.data_set: {
            "score": run.score,
            "rows": run.rows,
            "stop": [result.rule for result in run.broken(STOP)],
            "warn": [result.rule for result in run.broken(WARN)],
        }
        for run in whole
    }
    catalog.emit(Event(DIGEST, today, {"data_sets": sets}))
    catalog.set_cursor(DIGEST, today)


def _lines(result: RuleResult) -> list[str]:
    lines = [f"  {result.severity}: {result.rule}: {result.detail or f'{result.failed} of {result.checked}'}"]
    for row in result.samples[:SHOWN]:
        lines.append("    " + " ".join(f"{name}={value}" for name, value in row.items()))
    return lines
