"""Check one data set: cut it, check its tables page by page, hold its measures to their history."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gopherwood.catalog import QualityRun
from gopherwood.quality import drift
from gopherwood.quality.engine import Checker
from gopherwood.quality.rules import Cut, DataSet, Table, drift_rule

DRIFT = "drift"


@dataclass(slots=True)
class Checked:
    """A run of a data set, and the same in the form of the library that checked it, by table."""

    run: QualityRun
    validated: dict[str, Sequence[Any]] = field(default_factory=dict)


def check(data_set: DataSet, cut: Cut) -> Checked:
    """Check a data set. Rules on tables that an interval says nothing of are left out of the result."""
    began = time.monotonic()
    checkers: dict[str, Checker] = {}
    tables = {table.name: table for table in data_set.tables}
    for name, frame in data_set.cut(cut):
        if name in tables and tables[name].rules:
            checker = checkers[name] = checkers.get(name) or Checker(tables[name])
            checker.add(frame)
    main = checkers.get(data_set.tables[0].name)
    former = cut.catalog.quality_runs(data_set.name, limit=drift.RUNS, whole=cut.is_whole)
    if data_set.drifts:
        checkers[DRIFT] = _drift(data_set, cut, former)
    run = QualityRun(
        data_set=data_set.name,
        at=cut.catalog.clock(),
        since=cut.since,
        until=cut.until,
        rows=main.rows if main else 0,
        seconds=round(time.monotonic() - began, 3),
        measures=cut.measures,
        results=[result for checker in checkers.values() for result in checker.results()],
    )
    return Checked(run, {name: checker.validated() for name, checker in checkers.items()})


def _drift(data_set: DataSet, cut: Cut, former: Sequence[QualityRun]) -> Checker:
    rules = tuple(drift_rule(each) for each in data_set.drifts)
    said = {
        f"drift-{each.measure}": [drift.said(each.measure, cut.measures.get(each.measure), former)]
        for each in data_set.drifts
    }
    checker = Checker(Table(DRIFT, ("of",), rules))
    checker.add({"of": ["this run"], **said})
    return checker
