"""Metrics as Prometheus wants them: names with `gopherwood_`, base units, `_total` for what only grows.

The one place that knows the client library. Labels come from lists, or are told as `other`.
Authority: prometheus.io/docs/practices/naming and /docs/instrumenting/writing_exporters.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["Metric", "counter", "gauge", "histogram", "known", "render", "time"]

PREFIX = "gopherwood_"
OTHER = "other"
TEXT = "text/plain; version=0.0.4; charset=utf-8"

Value = float | Mapping[str, float]
"""A number, or one for each value of a label."""


def gauge(name: str, says: str, value: Value, label: str = "") -> Metric:
    """Return what may rise and fall."""
    return _filled(GaugeMetricFamily(PREFIX + name, says, labels=_labels(label)), value)


def counter(name: str, says: str, value: Value, label: str = "") -> Metric:
    """Return what only grows; `name` is without `_total`."""
    return _filled(CounterMetricFamily(PREFIX + name, says, labels=_labels(label)), value)


def time(name: str, says: str, at: datetime | Mapping[str, datetime] | None, label: str = "") -> Metric:
    """Return when something last happened, in seconds since 1970: no sample while it never has.

    A time and not an age: `time() - x` stays right when a scrape fails.
    """
    name = f"{name}_timestamp_seconds"
    if at is None:
        return gauge(name, says, {}, label or "none")
    return gauge(name, says, at.timestamp() if isinstance(at, datetime) else _stamps(at), label)


def histogram(name: str, says: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
    """Return a histogram; `counts` are those within each bound, which add up, and all."""
    ends = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    family = HistogramMetricFamily(PREFIX + name, says)
    family.add_metric([], buckets=list(zip(ends, map(float, counts), strict=True)), sum_value=total)
    return family


def known(counts: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """Return a count for each of these names, 0 where there is none; all others together are `other`."""
    named = {name: counts.get(name, 0) for name in names}
    return named | {OTHER: sum(count for name, count in counts.items() if name not in named)}


def render(metrics: Iterable[Metric]) -> bytes:
    """Return a scrape."""
    registry = CollectorRegistry()
    registry.register(_Given(metrics))
    return generate_latest(registry)


class _Given(Collector):
    """What was asked before: the library wants somebody to collect from."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _filled(family: CounterMetricFamily | GaugeMetricFamily, value: Value) -> Metric:
    if isinstance(value, Mapping):
        for name, number in value.items():
            family.add_metric([name], number)
    else:
        family.add_metric([], value)
    return family


def _labels(label: str) -> list[str]:
    return [label] if label else []


def _stamps(times: Mapping[str, datetime]) -> dict[str, float]:
    return {name: at.timestamp() for name, at in times.items()}
