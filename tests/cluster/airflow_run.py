"""A run of a DAG of pods, by an Airflow of its own: its log, the states of its tasks, and the pods it left."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cluster.kube import NAMESPACE, Cluster
from gopherwood_images.recipes import ROOT

DAGS = Path(__file__).parent / "dags"


class Run:
    """A run of a DAG of pods: its log, the states of its tasks, and the pods it left to be looked at."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        dag: str = "pods",
        meanwhile: Callable[[], None] = lambda: None,
        **settings: str,
    ) -> None:
        """Run the DAG, and do something else meanwhile."""
        cluster.kubectl("delete", "pods", "--all")
        cluster.kubectl("delete", "configmap", "settings", "--ignore-not-found")
        cluster.kubectl("create", "configmap", "settings", "--from-literal=GOPHERWOOD_HOME=/tmp/gopherwood")
        env = airflow_env(cluster, folder) | settings
        airflow = Path(sys.executable).with_name("airflow")
        subprocess.run([airflow, "db", "migrate"], env=env, check=True, capture_output=True)
        with ThreadPoolExecutor(1) as threads:
            other = threads.submit(meanwhile)
            done = subprocess.run([sys.executable, DAGS / f"{dag}.py"], env=env, capture_output=True, text=True)
        self.log = done.stdout + done.stderr
        line = next((line for line in self.log.splitlines() if line.startswith("STATES ")), None)
        assert line, self.log[-5000:]
        other.result()
        tasks = json.loads(line.removeprefix("STATES "))
        self.states = {(name, index): state for name, index, state, _tries in tasks}
        self.tries = {name: tries for name, _index, _state, tries in tasks}
        self.pods = cluster.get("pods")

    def pod(self, task: str) -> dict[str, Any]:
        """Return the pod of a task."""
        return next(pod for pod in self.pods if pod["metadata"]["labels"]["task_id"] == task)


def airflow_env(cluster: Cluster, folder: Path) -> dict[str, str]:
    """Return the environment of an Airflow that has this cluster configured, by one source alone."""
    return cluster.env | {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONPATH": str(ROOT / "plugins"),
        "PATH": f"{Path(sys.executable).parent}:{cluster.env['PATH']}",
        "GOPHERWOOD_POD_IMAGE": cluster.image,
        "GOPHERWOOD_POD_NAMESPACE": NAMESPACE,
        "GOPHERWOOD_POD_CONFIG": "settings",
    }
