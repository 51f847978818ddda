"""The part of Airflow's REST API that says when DAGs ended, on loopback; its tokens run out when a test says so."""

import json
from dataclasses import dataclass, field

from fakes.loopback import Answer, Loopback


@dataclass
class AirflowApi(Loopback):
    """Users `admin`/`secret`; `ends` are the last ends by DAG and state of run."""

    ends: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: int = 0

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if json.loads(body) != {"username": "admin", "password": "secret"} or path != "auth/token":
            return Answer(401, b"{}")
        self.tokens += 1
        return Answer(201, json.dumps({"access_token": f"token-{self.tokens}"}).encode())

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        if self.seen[-1][1] != f"Bearer token-{self.tokens}":
            return Answer(401, b"{}")
        if path == "api/v2/dags":
            dags = [{"dag_id": name, "is_paused": name == "audit"} for name in sorted(self.ends)]
            return Answer(200, json.dumps({"dags": dags}).encode())
        ended = self.ends[path.split("/")[3]].get(query["state"])
        return Answer(200, json.dumps({"dag_runs": [{"end_date": ended}] if ended else []}).encode())
