"""The few questions that are asked of Airflow's own API: which runs ended, where they failed, and what was said there.

Airflow's database is the one record of its runs that a kill of any of its parts leaves whole. It is asked by the stable
REST API (/api/v2), as any user who may read DAGs, runs and logs; nothing of ours need be installed there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from gopherwood.airflowapi import AirflowApi
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, GopherwoodError
from gopherwood.http import Client

PAGE = 100
"""Runs asked for at once."""
MOST_PAGES = 20
MOST_TASKS = 5
"""Failed tasks of a run that are named."""
LAST_LINES = 3
LONGEST_LINE = 200
PARTS = ("metadatabase", "scheduler", "dag_processor")
"""What must be healthy for a run to begin."""
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


@dataclass(frozen=True, slots=True)
class Ended:
    """A run of a DAG that has ended, as success or failed."""

    dag: str
    run: str
    state: str
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task of a run that failed for good."""

    name: str
    map_index: int
    tries: int

    def __str__(self) -> str:
        return self.name if self.map_index < 0 else f"{self.name} {self.map_index}"


class Airflow:
    """One Airflow. Methods raise UpstreamError when it does not answer, RefusedError when it takes no login."""

    def __init__(self, settings: Settings, client: Client) -> None:
        """Raise ConfigError when nothing can be asked with these settings."""
        if not (settings.airflow_user and settings.airflow_password):
            says = "GOPHERWOOD_AIRFLOW_URL is set, and not GOPHERWOOD_AIRFLOW_USER and GOPHERWOOD_AIRFLOW_PASSWORD"
            raise ConfigError(says, hint="set them to a user who may read DAGs, runs and logs")
        self._pages = (settings.airflow_pages or settings.airflow_url).rstrip("/")
        self._api = AirflowApi(settings, client)

    def problem(self) -> str:
        """Return what keeps Airflow from beginning runs, "" when nothing does."""
        health = self._api.get("/api/v2/monitor/health")
        states = {part: (health.get(part) or {}).get("status") for part in PARTS}
        return ", ".join(f"its {part} is {state}" for part, state in states.items() if state != "healthy")

    def ended(self, since: datetime) -> list[Ended]:
        """Return the runs that ended at a time or later, the earliest first; of very many only the first."""
        asked = {"states": ["success", "failed"], "end_date_gte": since.isoformat(), "order_by": "end_date"}
        found: list[Ended] = []
        for page in range(MOST_PAGES):
            body = asked | {"page_limit": PAGE, "page_offset": page * PAGE}
            runs = self._api.post("/api/v2/dags/~/dagRuns/list", body)["dag_runs"]
            found += [_ended(run) for run in runs]
            if len(runs) < PAGE:
                break
        return found

    def failed_tasks(self, run: Ended) -> list[FailedTask]:
        """Return the tasks that failed in a run, by name, MOST_TASKS at most."""
        body = {"dag_ids": [run.dag], "dag_run_ids": [run.run], "state": ["failed"], "page_limit": PAGE}
        tasks = self._api.post("/api/v2/dags/~/dagRuns/~/taskInstances/list", body)["task_instances"]
        found = [FailedTask(str(task["task_id"]), int(task["map_index"]), int(task["try_number"])) for task in tasks]
        return sorted(found, key=lambda task: (task.name, task.map_index))[:MOST_TASKS]

    def limit(self, dag: str) -> timedelta | None:
        """Return how long a run of a DAG may take, None for as long as it likes."""
        text = self._api.get(f"/api/v2/dags/{quote(dag, safe='')}/details").get("dag_run_timeout")
        match = _DURATION.fullmatch(str(text or ""))
        if not match:
            return None
        days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)

    def last_lines(self, run: Ended, task: FailedTask) -> list[str]:
        """Return the last lines of a task's log, short ones; none when they cannot be had, or it is very long."""
        at = f"{self._of(run)}/taskInstances/{quote(task.name, safe='')}/logs/{task.tries}?map_index={task.map_index}"
        try:
            content = self._api.get(at)["content"]
        except GopherwoodError:
            return []
        return [text for line in content if isinstance(line, dict) and (text := _said(line))][-LAST_LINES:]

    def page(self, run: Ended, task: FailedTask | None = None) -> str:
        """Return the address at which people find a run, or the log of one of its tasks."""
        at = f"{self._pages}/dags/{quote(run.dag, safe='')}/runs/{quote(run.run, safe='')}"
        if task is None:
            return at
        mapped = f"/mapped/{task.map_index}" if task.map_index >= 0 else ""
        return f"{at}/tasks/{quote(task.name, safe='')}{mapped}"

    @staticmethod
    def _of(run: Ended) -> str:
        return f"/api/v2/dags/{quote(run.dag, safe='')}/dagRuns/{quote(run.run, safe='')}"


def _said(line: Mapping[str, Any]) -> str:
    """Return what a line of a log says to people; "" for marks, and for results, which are JSON."""
    raised = line.get("error_detail") or [{}]
    text = str(raised[-1].get("exc_value") or line.get("event") or "").strip().split("\n", 1)[0]
    return "" if text.startswith(("::", "{", "[")) else text[:LONGEST_LINE]


def _ended(run: Mapping[str, Any]) -> Ended:
    at = datetime.fromisoformat(run["end_date"])
    return Ended(str(run["dag_id"]), str(run["dag_run_id"]), str(run["state"]), at, float(run["duration"] or 0))
