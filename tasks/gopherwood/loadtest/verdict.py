"""From what was measured to a verdict: invalid before fail before pass.

A check of validity that does not hold makes the run invalid, whatever the figures are; a threshold that is not reached,
or a figure that is far from those of the last runs, makes it a failure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from gopherwood.loadtest.measure import ALL, Class, Measured
from gopherwood.loadtest.slo import LATENCIES, Check, Slo

Verdict = Literal["pass", "fail", "invalid"]


@dataclass(slots=True)
class Judged:
    """Everything that was checked."""

    validity: list[Check] = field(default_factory=list)
    thresholds: list[Check] = field(default_factory=list)
    regression: list[Check] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """What it comes to. Nothing checked is nothing known."""
        if not self.validity or not all(check.ok for check in self.validity):
            return "invalid"
        return "pass" if all(check.ok for check in (*self.thresholds, *self.regression)) else "fail"

    @property
    def reason(self) -> str:
        """Why it is no pass, "" for one."""
        broken = [check for check in self.validity if not check.ok]
        if not self.validity:
            return "nothing was measured"
        if not broken:
            broken = [check for check in (*self.thresholds, *self.regression) if not check.ok]
        return "; ".join(f"{check.name}: {check.found} (wanted: {check.wanted})" for check in broken)


def thresholds(scenario: str, measured: Measured, duration: float, slo: Slo) -> list[Check]:
    """Judge the figures of requests, whose intended starts are spread over `duration` seconds."""
    checks = _of_class("", measured.of(ALL), measured.intended, slo.of(scenario))
    limits = slo.of(scenario)
    if "throughput" in limits and duration:
        rate, reached = measured.intended / duration, answered_rate(measured, duration)
        share = reached / rate if rate else 0.0
        wanted = f"at least {limits['throughput']:.1%} of {rate:,.1f}/s"
        checks.append(Check("throughput", wanted, f"{reached:,.1f}/s ({share:.2%})", share >= limits["throughput"]))
    for kind, of_kind in sorted(slo.classes.get(scenario, {}).items()):
        if found := measured.classes.get(kind):
            checks += _of_class(f"{kind}: ", found, found.count, of_kind)
    return checks


def _of_class(prefix: str, found: Class, total: int, limits: Mapping[str, float]) -> list[Check]:
    checks = []
    for name, percentile in LATENCIES.items():
        if name in limits:
            millis = found.percentile(percentile) * 1000
            wanted = f"at most {limits[name]:g} ms"
            checks.append(Check(f"{prefix}p{percentile:g}", wanted, f"{millis:.1f} ms", millis <= limits[name]))
    if "errors" in limits:
        share = found.failed / total if total else 0.0
        says = f"{found.failed:,} of {total:,} ({share:.3%})"
        checks.append(Check(f"{prefix}errors", f"at most {limits['errors']:.3%}", says, share <= limits["errors"]))
    return checks


def answered_rate(measured: Measured, duration: float) -> float:
    """Return the requests a second that were answered well; the last may take a second longer than `duration`."""
    well = measured.answered - measured.failed + measured.unanswered
    return well / max(measured.seconds - 1.0, duration, 1e-9)


def regression(
    figures: Mapping[str, float], former: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any], slo: Slo
) -> list[Check]:
    """Compare figures with those of the last runs that passed with the same parameters.

    A figure whose name ends in `_ms` or `_seconds` is better when it is smaller, any other when it is larger.
    """
    limits = slo.of("regression")
    alike = [run for run in former if run.get("verdict") == "pass" and run.get("parameters") == parameters]
    alike = alike[: int(limits["runs"])]
    if len(alike) < max(int(limits["least"]), 1):
        return []
    checks = []
    for name, value in figures.items():
        known = [run["figures"][name] for run in alike if name in run.get("figures", {})]
        if not known:
            continue
        usual = median(known)
        is_cost = name.endswith(("_ms", "_seconds"))
        times = (value / usual if is_cost else usual / value) if usual and value else 1.0
        small = name.endswith("_ms") and abs(value - usual) <= limits["floor_ms"]
        word = "at most" if is_cost else "at least"
        bound = usual * limits["factor"] if is_cost else usual / limits["factor"]
        wanted = f"{word} {bound:,.4g} (the median of the last {len(known)} is {usual:,.4g})"
        checks.append(Check(f"regression of {name}", wanted, f"{value:,.4g}", small or times <= limits["factor"]))
    return checks
