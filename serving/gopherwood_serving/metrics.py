"""Counters and histograms of one worker in the text format of Prometheus.

Bounded by construction: a label is a class of requests or an outcome from the lists below, never a path or a status
that a client chose. Each worker counts for itself (label `worker`); a scrape of several workers meets one of them at
random, so scrape often or run one worker a pod. Authority: prometheus.io/docs/instrumenting/exposition_formats.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

ROUTES = (
    "list",
    "info",
    "mod",
    "zip",
    "latest",
    "query",
    "sumdb",
    "ledger",
    "index",
    "page",
    "api",
    "report",
    "probe",
    "other",
)
"""Classes of requests."""
OUTCOMES = ("hit", "ok", "partial", "not_modified", "redirect", "not_found", "refused", "error")
"""What became of them; `hit` is an answer from memory, whatever it said."""
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the latency buckets, in seconds. Latency ends when the answer is handed to the server."""
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Cell:
    """The histogram of one route and outcome, and the bytes it sent. The fast lane adds to `counts[0]` by itself."""

    __slots__ = ("counts", "sent", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        self.sent = 0

    def observe(self, seconds: float, sent: int) -> None:
        """Count a request that took so long and sent so many bytes of body."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        self.sent += sent


class Metrics:
    """Everything one worker counts."""

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self._cells = {(route, outcome): Cell() for route in ROUTES for outcome in OUTCOMES}
        self._values: dict[str, float] = {}
        self._help: dict[str, tuple[str, str]] = {}

    def cell(self, route: str, outcome: str) -> Cell:
        """Return where requests of this class and outcome are counted."""
        return self._cells[route, outcome]

    def declare(self, name: str, kind: str, says: str) -> None:
        """Make a gauge or counter `gopherwood_serving_<name>`, at 0."""
        self._help[name] = (kind, says)
        self._values[name] = 0

    def add(self, name: str, value: float = 1) -> None:
        """Change a declared value."""
        self._values[name] += value

    def set(self, name: str, value: float) -> None:
        """Set a declared value."""
        self._values[name] = value

    def render(self) -> bytes:
        """Return all of it as a scrape."""
        return ("\n".join(self._lines()) + "\n").encode()

    def _lines(self) -> Iterator[str]:
        prefix, worker = "gopherwood_serving", f'worker="{self.worker}"'
        used = {labels: cell for labels, cell in self._cells.items() if any(cell.counts)}
        yield f"# HELP {prefix}_request_seconds Time to an answer, by class of request and outcome."
        yield f"# TYPE {prefix}_request_seconds histogram"
        for (route, outcome), cell in used.items():
            labels = f'route="{route}",outcome="{outcome}",{worker}'
            counts = list(accumulate(cell.counts))
            for bound, count in zip((*BOUNDS, "+Inf"), counts, strict=True):
                yield f'{prefix}_request_seconds_bucket{{{labels},le="{bound}"}} {count}'
            yield f"{prefix}_request_seconds_sum{{{labels}}} {cell.total:.6f}"
            yield f"{prefix}_request_seconds_count{{{labels}}} {counts[-1]}"
        yield f"# HELP {prefix}_sent_bytes_total Bytes of bodies handed to the server."
        yield f"# TYPE {prefix}_sent_bytes_total counter"
        for (route, outcome), cell in used.items():
            yield f'{prefix}_sent_bytes_total{{route="{route}",outcome="{outcome}",{worker}}} {cell.sent}'
        for name, (kind, says) in self._help.items():
            yield f"# HELP {prefix}_{name} {says}"
            yield f"# TYPE {prefix}_{name} {kind}"
            yield f"{prefix}_{name}{{{worker}}} {self._values[name]:.15g}"
