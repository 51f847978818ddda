"""Drift: a measure of this run beside those of the last ones, each data set against its own history.

A number has drifted when it is further from the median of the former runs than four of their usual deviations and than
a quarter of the median (a series that never moved has no deviation). Shares of buckets have drifted when their
population stability index against the former runs' mean is above 0.25, the usual mark of a shift that matters. With
fewer than `LEAST` former runs nothing is said: a new installation changes every day.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median

from gopherwood.catalog import QualityRun

RUNS = 14
"""Former runs that are compared with."""
LEAST = 5
DEVIATIONS = 4.0
PART = 0.25
INDEX = 0.25
_FLOOR = 1e-4
"""A share that counts for one of zero: the index takes logarithms."""

Measure = float | Mapping[str, float]


def said(name: str, value: Measure | None, former: Sequence[QualityRun]) -> str:
    """Say how a measure has drifted from former runs; "" when it has not, or nobody can tell."""
    before = [run.measures[name] for run in former[:RUNS] if name in run.measures]
    if value is None or len(before) < LEAST:
        return ""
    if isinstance(value, Mapping):
        return _shifted(value, [each for each in before if isinstance(each, Mapping)])
    return _moved(value, [each for each in before if not isinstance(each, Mapping)])


def _moved(value: float, before: Sequence[float]) -> str:
    middle = median(before)
    usual = 1.4826 * median(abs(each - middle) for each in before)
    allowed = max(DEVIATIONS * usual, PART * abs(middle))
    if abs(value - middle) <= allowed:
        return ""
    return f"{_plain(value)}, in the last {len(before)} runs {_plain(middle)} (a change of {_plain(allowed)} is usual)"


def _shifted(value: Mapping[str, float], before: Sequence[Mapping[str, float]]) -> str:
    buckets = sorted({bucket for each in (value, *before) for bucket in each})
    index, most, largest = 0.0, "", -1.0
    for bucket in buckets:
        now = max(value.get(bucket, 0.0), _FLOOR)
        then = max(fmean(each.get(bucket, 0.0) for each in before), _FLOOR)
        part = (now - then) * math.log(now / then)
        index += part
        if part > largest:
            most, largest = f"{bucket}: {now:.1%}, before {then:.1%}", part
    return f"index {index:.2f} over {len(before)} runs; most of it from {most}" if index > INDEX else ""


def _plain(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.3g}"
