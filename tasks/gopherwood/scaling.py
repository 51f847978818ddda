"""How many workers the queue is worth: one rule for the mapping of `ingest`, for a metric and for a cluster's scaler.

Two signals, and the larger answer counts. How much there is to do, since a worker does only so much in a while; and how
long the oldest of it has waited, since a small queue that nobody gets through is as bad as a long one. What is not
due does not count: a version that waits for its next try asks for nobody, so an upstream that is out draws no workers.

Workers are added at once and taken away late: only when nothing in the last `calm` asked for as many. That is what a
HorizontalPodAutoscaler calls its stabilization window, so the scaler of the chart is given the same number and
`steady` says here what it will do. Authority: kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale.

    python -m gopherwood.scaling

prints the rule as the query of the tasks' chart (tasks/chart/files/workers.sql; `make golden` writes it). Tests hold
both to one answer. docs/scaling.md has a day of it.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gopherwood.states import OPEN

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for workers at one moment."""

    due: int
    """Versions that may be leased right now."""
    held: int = 0
    """Versions that somebody has leased, and is at work on."""
    oldest: timedelta = timedelta()
    """How long the oldest of those due has been due; nothing when none is."""

    @property
    def depth(self) -> int:
        """All that is worth a worker now, whether one has it or not: what standing workers are counted by.

        What they hold belongs to it, else they would be taken away in the middle of their last batch.
        """
        return self.due + self.held


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a backlog becomes a number of workers."""

    per_worker: int = 200
    """Versions that are worth a worker."""
    step: timedelta = timedelta(minutes=15)
    """Time that the oldest may wait for each worker there is."""
    least: int = 0
    most: int = 8
    """What the pool of nodes has room for."""
    calm: timedelta = timedelta(minutes=10)
    """How long fewer must do before there are fewer."""


def workers(backlog: Backlog, rule: Rule) -> int:
    """Return how many workers a backlog is worth: none for nothing, and never more than there are versions."""
    by_depth = -(-backlog.depth // rule.per_worker)
    by_age = -(-backlog.oldest // rule.step)
    return max(rule.least, min(rule.most, backlog.depth, max(by_depth, by_age)))


def steady(wanted: Iterable[tuple[datetime, int]], now: datetime, calm: timedelta) -> int:
    """Return how many workers there should be: the most that were wanted within the last `calm`, none if nobody asked.

    `wanted` are earlier answers and when they were given, the present one among them.
    """
    return max((count for at, count in wanted if now - at < calm), default=0)


CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The present time as the catalog keeps times, on PostgreSQL."""

QUERY = """\
SELECT greatest({least}, least({most}, depth, greatest((depth + {per_worker} - 1) / {per_worker}, (oldest + {step} - 1) / {step})))::integer
FROM (
  SELECT count(*) FILTER (WHERE ready_at <= now OR owner IS NOT NULL) AS depth, coalesce(max(now - ready_at) FILTER (WHERE ready_at <= now), 0) AS oldest
  FROM versions, (SELECT {now} AS now) AS clock
  WHERE state IN ({states})
) AS backlog
"""  # noqa: E501
"""`workers` of all that is open, asked of PostgreSQL. `depth` is Backlog.depth, `oldest` and `step` microseconds."""

CHART = {
    "least": "{{ int .Values.workers.least }}",
    "most": "{{ int .Values.workers.most }}",
    "per_worker": "{{ int .Values.workers.perWorker }}",
    "step": "{{ mul 1000000 (int64 .Values.workers.stepSeconds) }}",
}
"""The numbers of the query as the templates of the tasks' chart write them."""


def query(rule: Rule, *, now: str = CLOCK) -> str:
    """Return the question to PostgreSQL whose answer is `workers` of the catalog's whole backlog."""
    numbers = {"least": rule.least, "most": rule.most, "per_worker": rule.per_worker, "step": rule.step // MICROSECOND}
    return QUERY.format(**numbers, now=now, states=_states())


def chart_query() -> str:
    """Return the same question as a template of the tasks' chart, which fills in its own values."""
    return QUERY.format(**CHART, now=CLOCK, states=_states())


def _states() -> str:
    return ", ".join(f"'{state.value}'" for state in sorted(OPEN))


if __name__ == "__main__":
    sys.stdout.write(chart_query())
