"""A run of a DAG of pods, by an Airflow of its own: its log, the states of its tasks, and the pods it left.

It needs nothing of a cluster but a namespace, so it works on any; the platform's own Airflow is in platform.py.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cluster.kube import Cluster
from gopherwood_images.recipes import ROOT

DAGS = Path(__file__).parent / "dags"


class Run:
    """A run of a DAG of pods: its log, the states of its tasks, and the pods it left to be looked at."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        dag: str = "pods",
        meanwhile: Callable[[Cluster], None] = lambda _: None,
        **settings: str,
    ) -> None:
        """Run the DAG in a namespace of its own, and do something else meanwhile."""
        folder.mkdir()
        cluster = cluster.within(f"gopherwood-tests-{folder.name}")
        cluster.kubectl("create", "namespace", cluster.namespace)
        cluster.kubectl("create", "configmap", "settings", "--from-literal=GOPHERWOOD_HOME=/tmp/gopherwood")
        env = airflow_env(cluster, folder) | settings
        airflow = Path(sys.executable).with_name("airflow")
        subprocess.run([airflow, "db", "migrate"], env=env, check=True, capture_output=True)
        with ThreadPoolExecutor(1) as threads:
            other = threads.submit(meanwhile, cluster)
            done = subprocess.run([sys.executable, DAGS / f"{dag}.py"], env=env, capture_output=True, text=True)
        self.log = done.stdout + done.stderr
        line = next((line for line in self.log.splitlines() if line.startswith("STATES ")), None)
        assert line, self.log[-5000:]
        other.result()
        tasks = json.loads(line.removeprefix("STATES "))
        self.states = {(name, index): state for name, index, state, _tries in tasks}
        self.tries = {name: tries for name, _index, _state, tries in tasks}
        self.pods = cluster.get("pods")
        cluster.kubectl("delete", "namespace", cluster.namespace, "--wait=false")

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
        "GOPHERWOOD_POD_NAMESPACE": cluster.namespace,
        "GOPHERWOOD_POD_CONFIG": "settings",
    }


def evict(cluster: Cluster) -> None:
    """Evict the first pod of the task `evicted` once it is at work, as draining its node does."""
    selector, deadline = "task_id=evicted,try_number=1", time.monotonic() + 1_200
    while time.monotonic() < deadline:
        pods = cluster.kubectl("get", "pods", "-l", selector, "-o", "name").split()
        if pods and "at work" in cluster.kubectl("logs", pods[0], "--ignore-errors"):
            name = pods[0].removeprefix("pod/")
            body = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": name, "namespace": cluster.namespace},
            }
            path = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}/eviction"
            command = ["kubectl", "create", "--raw", path, "-f", "-"]
            subprocess.run(command, env=cluster.env, input=json.dumps(body), text=True, check=True, capture_output=True)
            return
        time.sleep(0.2)
    raise AssertionError("the pod to evict never came")


class Runs:
    """All runs that tests look at, at the same time: each mostly waits for its pods."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        with ThreadPoolExecutor() as threads:
            pods = threads.submit(Run, cluster, folder / "pods")
            deferred = threads.submit(Run, cluster, folder / "deferred", GOPHERWOOD_POD_DEFERRABLE="true")
            endings = threads.submit(Run, cluster, folder / "endings", "endings", evict)
        self.pods, self.deferred, self.endings = pods.result(), deferred.result(), endings.result()
