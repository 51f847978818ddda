"""What was counted, for people: top lists, misses, percentiles. Made of the hours' tables, an hour at a time."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gopherwood.accesslog import UNCOUNTED
from gopherwood.errors import EXIT_DONE, EXIT_NOTHING_TO_DO

if TYPE_CHECKING:
    import pandas as pd

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
MOST_NAMES = 100_000
"""Names that a top list remembers from one hour to the next."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """The result of `usage`."""

    hours: int
    """Counted in this run."""
    late: int = 0
    """Of them outside of the interval: they had lines that came late."""
    too_late: int = 0
    """Hours that have late lines, but whose other lines are no longer kept: they stay as they were counted."""
    files: int = 0
    """Of the log, looked through in this run."""
    lines: int = 0
    skipped: int = 0
    """Lines of those files that are none: cut off by a kill, or not ours."""
    removed: int = 0
    """Files of the log that were older than GOPHERWOOD_ACCESS_LOG_DAYS."""
    requests: int = 0
    bytes: int = 0
    downloads: int = 0
    misses: int = 0
    top: list[dict[str, Any]] = field(default_factory=list)
    """Modules with the most downloads in the hours of this run."""
    missed: list[dict[str, Any]] = field(default_factory=list)
    """What was asked for most in vain."""
    latency: dict[str, dict[str, int]] = field(default_factory=dict)
    """Kind of request -> percentile -> microseconds, at most 9 % too high."""

    @property
    def exit_code(self) -> int:
        """99 when nothing was to be counted."""
        return EXIT_DONE if self.hours else EXIT_NOTHING_TO_DO


class Summary:
    """Adds up what is said of some hours."""

    def __init__(self) -> None:
        self.requests = self.bytes = 0
        self.downloads: Counter[str] = Counter()
        self.missed: Counter[tuple[str, str]] = Counter()
        self.misses = 0
        self.latency: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def add(self, requests: "pd.DataFrame", latency: "pd.DataFrame") -> None:
        """Add the tables of an hour."""
        self.requests += int(requests["requests"].sum())
        self.bytes += int(requests["bytes"].sum())
        whole = (requests["kind"] == "zip") & (requests["method"] == "GET") & (requests["status"] == 200)
        counted = requests[whole & ~requests["agent"].isin(UNCOUNTED)]
        self.downloads.update(counted.groupby("module")["requests"].sum().to_dict())
        missed = requests[requests["miss"].astype(bool)]
        self.misses += int(missed["requests"].sum())
        self.missed.update(missed.groupby(["module", "version"])["requests"].sum().to_dict())
        if len(self.missed) > 2 * MOST_NAMES:
            self.missed = Counter(dict(self.missed.most_common(MOST_NAMES)))
        for (kind, bound), times in latency.groupby(["kind", "le_micros"])["requests"].sum().items():
            self.latency[kind][int(bound)] += int(times)

    def said(self, top: int) -> dict[str, Any]:
        """Return the fields of `Rolled` that say it."""
        return {
            "requests": self.requests,
            "bytes": self.bytes,
            "downloads": int(sum(self.downloads.values())),
            "misses": self.misses,
            "top": [{"module": name, "downloads": int(n)} for name, n in _most(self.downloads, top)],
            "missed": [{"module": m, "version": v, "requests": int(n)} for (m, v), n in _most(self.missed, top)],
            "latency": {kind: percentiles(counts) for kind, counts in sorted(self.latency.items())},
        }


def percentiles(counts: "Counter[int]") -> dict[str, int]:
    """Return the percentiles of a histogram: upper bound of a bucket -> how many."""
    total, found, seen = sum(counts.values()), {}, 0
    wanted = iter(PERCENTILES.items())
    name, share = next(wanted)
    for bound in sorted(counts):
        seen += counts[bound]
        while name and seen >= share * total:
            found[name] = bound
            name, share = next(wanted, ("", 2.0))
    return found


def _most(counts: "Counter[Any]", top: int) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:top]
