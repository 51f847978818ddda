"""How the platform stands, as one JSON object at /-/status.json: what the view in Airflow's UI is made of.

It only reads: numbers, the versions that were refused last, and how the last checks and tests ended. Each answer is
kept for some seconds and made by one thread at a time, so that a page that many people leave open costs the catalog
what one costs it. `?between=START/END` (RFC 3339, up to MOST_INTERVALS of them) adds what was done in each.
"""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

from gopherwood.catalog import Catalog, QualityRun, Refusal
from gopherwood.objects import Objects
from gopherwood.states import OPEN
from gopherwood_serving.answers import JSON, NEVER, UNCACHED, Answer, found, text

KEPT_SECONDS = 5.0
"""How long an answer is repeated."""
MOST_KEPT = 32
MOST_INTERVALS = 25
LONGEST_QUERY = 4096
REFUSED_DAYS = 7
"""Days of which refusals are counted by reason."""
SHOWN = 8
"""Versions that were refused last, and reports of each kind, that are named."""
LONGEST_DETAIL = 300
TESTS = ("load", "chaos")
"""Kinds of reports beside those of data quality, each a folder of them."""
LARGEST_REPORT = 1 << 20
MOST_REPORTS = 500
"""Reports of a kind that are looked at."""


class Status:
    """Makes the answers. Threads may share one."""

    def __init__(self, catalog: Catalog, reports: Objects) -> None:
        self._catalog = catalog
        self._reports = reports
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, ...], tuple[float, Answer]] = {}

    def answer(self, query: str) -> Answer:
        """Answer with this query string, 400 for one that cannot be understood. Raises StorageError."""
        if len(query) > LONGEST_QUERY:
            return _bad("the query is too long")
        asked = tuple(parse_qs(query).get("between", ()))
        if len(asked) > MOST_INTERVALS:
            return _bad(f"more than {MOST_INTERVALS} intervals")
        try:
            intervals = [_interval(each) for each in asked]
        except (ValueError, OverflowError):
            return _bad("between is not two times as in RFC 3339, the first not after the second, with a / in between")
        with self._lock:  # whoever waits for it is answered from what the first one made
            expires, answer = self._kept.get(asked, (0.0, None))
            if answer is None or expires < time.monotonic():
                body = json.dumps(self._standing(intervals), separators=(",", ":")).encode()
                answer = found(body, JSON, UNCACHED, keep=False)
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[asked] = (time.monotonic() + KEPT_SECONDS, answer)
        return answer

    def _standing(self, intervals: Sequence[tuple[datetime, datetime]]) -> dict[str, Any]:
        catalog, now = self._catalog, self._catalog.clock()
        counts, backlog = catalog.counts(), catalog.backlog()
        oldest, last = catalog.oldest_open_age(), catalog.last_published()[1]
        week = now - timedelta(days=REFUSED_DAYS)
        reasons, by_hour = catalog.reasons_since(week), catalog.published_by_hour(now)
        return {
            "at": now.isoformat(),
            "states": {state.value: number for state, number in counts.items()},
            "open": sum(counts[state] for state in OPEN),
            "due": backlog.due,
            "in_work": backlog.held,
            "oldest_due_seconds": int(backlog.oldest.total_seconds()),
            "oldest_wanted_seconds": 0 if oldest is None else int(oldest.total_seconds()),
            "last_published": None if last is None else last.isoformat(),
            "published_by_hour": by_hour,
            "published_in_a_day": sum(by_hour),
            "refused_days": REFUSED_DAYS,
            "refused_by_reason": [
                {"state": state, "reason": reason, "versions": number} for (state, reason), number in reasons.items()
            ],
            "refused_last": [_refused(each) for each in catalog.refused_since(week, SHOWN)],
            "quality": {name: _checked(run) for name in catalog.checked_data_sets() for run in self._last_run(name)},
            "tests": {kind: list(islice(self._tests(kind), SHOWN)) for kind in TESTS},
            "between": [asdict(catalog.activity(*each)) for each in intervals],
        }

    def _last_run(self, name: str) -> list[QualityRun]:
        return self._catalog.quality_runs(name, limit=1, whole=True)

    def _tests(self, kind: str) -> Iterator[dict[str, str]]:
        """Yield what the reports of a kind say, the last first."""
        keys = [key for key in islice(self._reports.keys(f"{kind}/"), MOST_REPORTS) if key.endswith("/report.json")]
        said = [(key.split("/")[-2], self._report(key)) for key in keys]
        for name, report in sorted(said, key=lambda each: str(each[1].get("finished") or ""), reverse=True):
            fields = {field: str(report.get(field) or "") for field in ("name", "finished", "verdict", "reason")}
            yield {"folder": name} | {field: each[:LONGEST_DETAIL] for field, each in fields.items()}

    def _report(self, key: str) -> dict[str, Any]:
        """Return a report, nothing for what is none."""
        if (self._reports.size(key) or 0) > LARGEST_REPORT:
            return {}
        try:
            report = json.loads(self._reports.read(key))
        except ValueError:
            return {}
        return report if isinstance(report, dict) else {}


def _refused(refusal: Refusal) -> dict[str, str]:
    return {
        "path": refusal.mv.path,
        "version": refusal.mv.version,
        "state": refusal.state.value,
        "reason": refusal.reason,
        "detail": refusal.detail[:LONGEST_DETAIL],
        "at": refusal.at.isoformat(),
    }


def _checked(run: QualityRun) -> dict[str, Any]:
    return {
        "at": run.at.isoformat(),
        "rows": run.rows,
        "score": run.score,
        "rules": len(run.results),
        "stops": [result.rule for result in run.broken("stop")],
        "warnings": [result.rule for result in run.broken("warn")],
    }


def _interval(text: str) -> tuple[datetime, datetime]:
    """Return the two times of an interval in UTC; raises ValueError."""
    # A "+" of a zone that was not percent-encoded arrives as a space.
    since, until = (datetime.fromisoformat(each.replace(" ", "+")) for each in text.split("/"))
    if since.tzinfo is None or until.tzinfo is None or since > until:
        raise ValueError(text)
    return since.astimezone(UTC), until.astimezone(UTC)


def _bad(why: str) -> Answer:
    return text(400, f"{why}\nuse /-/status.json?between=<time>/<time>&between=...", NEVER)
