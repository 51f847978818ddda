"""What Airflow itself knows of our DAGs: their last runs, and which tasks failed in those."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance

SHOWN = 20
"""Runs of a DAG that its tab shows."""
TOLERANCE = timedelta(seconds=5)
"""What was done is counted till so long after the run ended: clocks differ, and a commit takes a moment."""


@dataclass(slots=True)
class Run:
    """A run of a DAG."""

    run_id: str
    state: str
    how: str
    """What began it: scheduled, manual, backfill, asset_triggered."""
    began: datetime | None
    ended: datetime | None
    failed: list[str] = field(default_factory=list)
    """Its tasks that failed, by name."""

    @property
    def seconds(self) -> int | None:
        """How long it has taken so far; None for one that has not begun."""
        return None if self.began is None else int(((self.ended or datetime.now(UTC)) - self.began).total_seconds())

    @property
    def interval(self) -> tuple[datetime, datetime]:
        """The time in which it worked."""
        now = datetime.now(UTC)
        return (self.began or now, (self.ended or now) + TOLERANCE if self.began else now)


def is_known(session: Any, dag_id: str) -> bool:
    """Tell whether there is a DAG of this name, or was one."""
    return session.query(DagModel.dag_id).filter(DagModel.dag_id == dag_id).first() is not None


def last_runs(session: Any, dag_id: str, limit: int = SHOWN) -> list[Run]:
    """Return the last runs of a DAG, the latest first, with the tasks that failed in each."""
    columns = (DagRun.run_id, DagRun.state, DagRun.run_type, DagRun.start_date, DagRun.end_date)
    rows = session.query(*columns).filter(DagRun.dag_id == dag_id).order_by(DagRun.id.desc()).limit(limit)
    runs = {row[0]: Run(row[0], str(row[1]), str(row[2]), row[3], row[4]) for row in rows}
    failed = session.query(TaskInstance.run_id, TaskInstance.task_id).filter(
        TaskInstance.dag_id == dag_id, TaskInstance.run_id.in_(list(runs)), TaskInstance.state == "failed"
    )
    for run_id, task_id in failed.order_by(TaskInstance.task_id).distinct():
        runs[run_id].failed.append(task_id)
    return list(runs.values())


def our_dags(session: Any, readable: Collection[str]) -> list[tuple[str, bool, Run | None]]:
    """Return each DAG that somebody may read, whether it is paused, and its last run."""
    rows = session.query(DagModel.dag_id, DagModel.is_paused).filter(DagModel.is_stale.is_(False))
    known = sorted((dag_id, bool(paused)) for dag_id, paused in rows if dag_id in readable)
    return [(dag_id, paused, next(iter(last_runs(session, dag_id, 1)), None)) for dag_id, paused in known]
