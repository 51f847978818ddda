"""The part of Airflow's REST API that says how runs ended and where they failed; tests end runs as they like."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fakes.loopback import Answer, Loopback


@dataclass
class AirflowRuns(Loopback):
    """Tokens, health, ended runs, their failed tasks, DAG details and logs; nothing but the token is for everybody."""

    password: str = "a-password"
    runs: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By run."""
    scheduler: str = "healthy"
    timeout: str | None = "PT2H"
    token: str = "first"

    def end(self, dag: str, run: str, state: str, at: datetime, *tasks: str, seconds: float = 60) -> None:
        """Let a run end; a run of the same name ends anew, as one does whose tasks were cleared."""
        self.runs = [each for each in self.runs if each["dag_run_id"] != run]
        end = at.isoformat().replace("+00:00", "Z")
        self.runs.append({"dag_id": dag, "dag_run_id": run, "state": state, "end_date": end, "duration": seconds})
        self.failed[run] = [{"task_id": task, "map_index": -1, "try_number": 4} for task in tasks]

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        if path == "api/v2/monitor/health":
            parts = {"metadatabase": "healthy", "scheduler": self.scheduler, "dag_processor": "healthy"}
            return _json({part: {"status": state} for part, state in parts.items()})
        if self.seen[-1][1] != f"Bearer {self.token}":
            return Answer(401)
        if path.endswith("/details"):
            return _json({"dag_run_timeout": self.timeout})
        lines: list[dict[str, Any]] = [
            {"event": event} for event in ("::group::Log", "running gopherwood", '{"a": "result"}', "it said\nmore")
        ]
        raised = {"event": "Task failed", "error_detail": [{"exc_value": "gopherwood ended with exit code 3"}]}
        return _json({"content": [*lines, raised, {"event": "::endgroup::"}]})

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        asked = json.loads(body)
        if path == "auth/token":
            return _json({"access_token": self.token}, 201) if asked["password"] == self.password else Answer(401)
        if headers.get("Authorization") != f"Bearer {self.token}":
            return Answer(401)
        if path.endswith("taskInstances/list"):
            return _json({"task_instances": self.failed[asked["dag_run_ids"][0]]})
        since = datetime.fromisoformat(asked["end_date_gte"])
        ended = [run for run in self.runs if datetime.fromisoformat(run["end_date"]) >= since]
        ended.sort(key=lambda run: datetime.fromisoformat(run["end_date"]))
        first = asked["page_offset"]
        return _json({"dag_runs": ended[first : first + asked["page_limit"]]})


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), (("Content-Type", "application/json"),))
