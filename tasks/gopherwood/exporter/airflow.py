"""When each DAG last succeeded, from Airflow's REST API; asked only where `GOPHERWOOD_AIRFLOW_URL` names one.

A DAG that was never green is not told: `absent` finds it. The token is asked for with user and password, and again when
it has run out. Authority: Airflow's API reference, v2 (/auth/token, /api/v2/dags, /api/v2/dags/ID/dagRuns).
"""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from gopherwood.config import Settings
from gopherwood.errors import RefusedError, UpstreamError
from gopherwood.exporter.families import Metric, gauge, time
from gopherwood.http import Client, Response

MOST = 100
"""DAGs that are told; there are some ten of ours."""
LIMIT = 1 << 20
"""Bytes of one answer."""


class Airflow:
    """Asks Airflow. Not for two threads at once."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._base = settings.airflow_url.rstrip("/")
        self._who = {"username": settings.airflow_user, "password": settings.airflow_password}
        self._client = client
        self._token = ""

    def ask(self) -> list[Metric]:
        """Return the metrics of all DAGs. Raises UpstreamError."""
        dags = self._get(f"/api/v2/dags?limit={MOST}&order_by=dag_id")["dags"]
        paused = {str(dag["dag_id"]): float(bool(dag["is_paused"])) for dag in dags}
        ends = {name: at for name in paused if (at := self._last(name, "success"))}
        failed = {name: at for name in paused if (at := self._last(name, "failed"))}
        return [
            gauge("dag_paused", "Whether a DAG is paused: 1 or 0.", paused, "dag_id"),
            time("dag_last_success", "When a run of a DAG last ended well.", ends or None, "dag_id"),
            time("dag_last_failure", "When a run of a DAG last failed.", failed or None, "dag_id"),
        ]

    def _last(self, dag: str, state: str) -> datetime | None:
        runs = self._get(f"/api/v2/dags/{quote(dag, safe='')}/dagRuns?state={state}&order_by=-end_date&limit=1")
        ended = [run["end_date"] for run in runs["dag_runs"] if run["end_date"]]
        return datetime.fromisoformat(ended[0]) if ended else None

    def _get(self, path: str) -> Any:
        reply = self._ask(path, self._token or self._log_in())
        if reply.status == HTTPStatus.UNAUTHORIZED:
            reply = self._ask(path, self._log_in())
        if reply.status != HTTPStatus.OK:
            raise UpstreamError(f"Airflow answered {path.partition('?')[0]} with {reply.status}", status=reply.status)
        return _parsed(reply.body)

    def _ask(self, path: str, token: str) -> Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        return self._client.get_once(f"{self._base}{path}", headers, limit=LIMIT)

    def _log_in(self) -> str:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        reply = self._client.post(f"{self._base}/auth/token", json.dumps(self._who).encode(), headers, limit=LIMIT)
        if reply.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            hint = "look at GOPHERWOOD_AIRFLOW_USER and GOPHERWOOD_AIRFLOW_PASSWORD"
            raise RefusedError(f"Airflow gave no token: status {reply.status}", hint=hint, status=reply.status)
        self._token = str(_parsed(reply.body)["access_token"])
        return self._token


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise UpstreamError(
            "Airflow's answer is no JSON", hint="is GOPHERWOOD_AIRFLOW_URL the one of its API?"
        ) from None
