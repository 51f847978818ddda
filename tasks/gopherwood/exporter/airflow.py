"""When each DAG last succeeded, from Airflow's REST API; asked only where `GOPHERWOOD_AIRFLOW_URL` names one.

A DAG that was never green is not told: `absent` finds it. Authority: Airflow's API reference, v2 (/api/v2/dags,
/api/v2/dags/ID/dagRuns).
"""

from datetime import datetime
from urllib.parse import quote

from gopherwood.airflowapi import AirflowApi
from gopherwood.config import Settings
from gopherwood.exporter.families import Metric, gauge, time
from gopherwood.http import Client

MOST = 100
"""DAGs that are told; there are some ten of ours."""


class Airflow:
    """Asks Airflow. Not for two threads at once."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._api = AirflowApi(settings, client)

    def ask(self) -> list[Metric]:
        """Return the metrics of all DAGs. Raises UpstreamError."""
        dags = self._api.get(f"/api/v2/dags?limit={MOST}&order_by=dag_id")["dags"]
        paused = {str(dag["dag_id"]): float(bool(dag["is_paused"])) for dag in dags}
        ends = {name: at for name in paused if (at := self._last(name, "success"))}
        failed = {name: at for name in paused if (at := self._last(name, "failed"))}
        return [
            gauge("dag_paused", "Whether a DAG is paused: 1 or 0.", paused, "dag_id"),
            time("dag_last_success", "When a run of a DAG last ended well.", ends or None, "dag_id"),
            time("dag_last_failure", "When a run of a DAG last failed.", failed or None, "dag_id"),
        ]

    def _last(self, dag: str, state: str) -> datetime | None:
        runs = self._api.get(f"/api/v2/dags/{quote(dag, safe='')}/dagRuns?state={state}&order_by=-end_date&limit=1")
        ended = [run["end_date"] for run in runs["dag_runs"] if run["end_date"]]
        return datetime.fromisoformat(ended[0]) if ended else None
