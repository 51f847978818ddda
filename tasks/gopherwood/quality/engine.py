"""Great Expectations, in the one place that knows it: rules in, counts and samples out, a page of rows at a time.

Each page is a data frame in memory, validated by a suite of the table's rules; what the pages say is added up, so that
memory is bounded by a page and one result stands for all rows. The results are also kept in the library's own form, for
Data Docs (docs.py). The library calls nobody: its usage reporting is switched off before the import.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

from gopherwood.catalog import RuleResult
from gopherwood.quality.postponed import postpone
from gopherwood.quality.rules import Frame, Rule, Severity, Table

os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ.setdefault("TQDM_DISABLE", "1")
postpone("altair", "scipy.stats")
logging.getLogger("great_expectations").setLevel(logging.WARNING)

import great_expectations as gx  # noqa: E402
import pandas as pd  # noqa: E402
from great_expectations.core.expectation_validation_result import ExpectationValidationResult  # noqa: E402
from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: E402
from great_expectations.expectations.metadata_types import FailureSeverity  # noqa: E402
from great_expectations.expectations.registry import get_expectation_impl  # noqa: E402

_NUMBERS = count()

SAMPLES = 20
"""Rows that are kept of those that fail a rule."""
SEVERITIES = {Severity.STOP: FailureSeverity.CRITICAL, Severity.WARN: FailureSeverity.WARNING}


@dataclass(slots=True)
class _Sum:
    """What all pages say of one rule."""

    rule: Rule
    checked: int = 0
    failed: int = 0
    samples: list[Mapping[str, Any]] = field(default_factory=list)
    problem: str = ""
    last: ExpectationValidationResult | None = None

    def add(self, found: ExpectationValidationResult) -> None:
        self.last = found
        raised = found.exception_info or {}
        if raised.get("raised_exception") or any(
            isinstance(each, dict) and each.get("raised_exception") for each in raised.values()
        ):
            self.problem = _message(raised)
        result = found.result or {}
        self.checked += int(result.get("element_count") or 0)
        self.failed += int(result.get("unexpected_count") or 0)
        rows = result.get("partial_unexpected_index_list") or []
        self.samples += rows[: SAMPLES - len(self.samples)]

    def result(self) -> RuleResult:
        ok = not self.failed and not self.problem
        samples = [{str(name): _plain(value) for name, value in row.items()} for row in self.samples]
        return RuleResult(
            self.rule.name, self.rule.severity.value, ok, self.checked, self.failed, samples, self.problem
        )


class Checker:
    """Checks pages of one table; `results` is what they add up to."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rows = 0
        asset = _source().add_dataframe_asset(f"{table.name}-{next(_NUMBERS)}")
        self._batches = asset.add_batch_definition_whole_dataframe(table.name)
        self._suite = gx.ExpectationSuite(table.name, expectations=[_expectation(rule) for rule in table.rules])
        self._sums = [_Sum(rule) for rule in table.rules]

    def add(self, frame: Frame) -> None:
        """Check a page."""
        # Plain objects: a column of whole numbers with one absent must not become one of floats.
        rows = pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in frame.items()})
        self.rows += len(rows)
        batch = self._batches.get_batch(batch_parameters={"dataframe": rows})
        form = {
            "result_format": "SUMMARY",
            "unexpected_index_column_names": [name for name in self.table.identity if name in rows],
            "partial_unexpected_count": SAMPLES,
        }
        found = batch.validate(self._suite, result_format=form)
        by_name = {_rule_of(each): each for each in found.results}
        for each in self._sums:
            each.add(by_name[each.rule.name])

    def results(self) -> list[RuleResult]:
        """Return what each rule says of all pages."""
        return [each.result() for each in self._sums]

    def validated(self) -> list[ExpectationValidationResult]:
        """Return the same in the library's form, for Data Docs: the counts and samples are those of all pages."""
        return [_whole(each) for each in self._sums if each.last is not None]


@cache
def _source() -> Any:
    """Return where data frames are put, made once a process: making a context costs more than checking a page."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.add_pandas("gopherwood")


def _rule_of(found: ExpectationValidationResult) -> str:
    config = found.expectation_config
    return str(config.meta["rule"]) if config and config.meta else ""


def _expectation(rule: Rule) -> Any:
    make = get_expectation_impl(rule.expects)
    meta = {"rule": rule.name, "severity": rule.severity.value}
    return make(**rule.arguments, severity=SEVERITIES[rule.severity], notes=rule.why, meta=meta)


def _whole(each: _Sum) -> ExpectationValidationResult:
    last = each.last
    assert last is not None
    share = 100 * each.failed / each.checked if each.checked else 0.0
    result = dict(last.result or {}) | {
        "element_count": each.checked,
        "unexpected_count": each.failed,
        "unexpected_percent": share,
        "unexpected_percent_total": share,
        "unexpected_percent_nonmissing": share,
        "partial_unexpected_index_list": each.samples,
        "partial_unexpected_list": [row.get(each.rule.columns[0]) for row in each.samples],
    }
    for name in ("partial_unexpected_counts", "unexpected_list", "unexpected_index_query"):
        result.pop(name, None)  # of the last page alone
    return ExpectationValidationResult(
        success=not each.failed and not each.problem,
        expectation_config=last.expectation_config,
        result=result,
        meta=last.meta,
        exception_info=last.exception_info,
    )


def _message(raised: Mapping[str, Any]) -> str:
    if "exception_message" in raised:
        return str(raised["exception_message"])
    said = [str(each.get("exception_message")) for each in raised.values() if isinstance(each, dict)]
    return "; ".join(sorted(set(said)))


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
