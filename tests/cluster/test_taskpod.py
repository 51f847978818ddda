"""TaskPod on a real cluster: one DAG of pods, run once by Airflow itself; what became of each pod and each task."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster.kube import NAMESPACE, Cluster
from gopherwood_images.recipes import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]
DAGS = Path(__file__).parent / "dags"


class Run:
    """A run of the DAG of pods: its log, the states of its tasks, and the pods it left to be looked at."""

    def __init__(self, cluster: Cluster, folder: Path, **settings: str) -> None:
        """Run the DAG in an Airflow of its own."""
        cluster.kubectl("delete", "pods", "--all")
        env = airflow_env(cluster, folder) | settings
        airflow = Path(sys.executable).with_name("airflow")
        subprocess.run([airflow, "db", "migrate"], env=env, check=True, capture_output=True)
        done = subprocess.run([sys.executable, DAGS / "pods.py"], env=env, capture_output=True, text=True)
        self.log = done.stdout + done.stderr
        line = next((line for line in self.log.splitlines() if line.startswith("STATES ")), None)
        assert line, self.log[-5000:]
        self.states = {(name, index): state for name, index, state, _tries in json.loads(line.removeprefix("STATES "))}
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


@pytest.fixture(scope="module")
def run(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run that has ended."""
    cluster.kubectl("create", "configmap", "settings", "--from-literal=GOPHERWOOD_HOME=/tmp/gopherwood")
    return Run(cluster, tmp_path_factory.mktemp("airflow"))


def test_tasks_end_as_their_commands_do(run: Run) -> None:
    """Exit code 0 is success, 99 skipped, 1 and 2 are failures."""
    assert run.states == {
        ("migrate", -1): "success",
        ("who", -1): "success",
        ("skipped", -1): "skipped",
        ("failed", -1): "failed",
        ("misused", -1): "failed",
        ("plan", -1): "success",
        ("work", 0): "success",
        ("work", 1): "success",
    }


def test_pods_land_on_their_node_pool(cluster: Cluster, run: Run) -> None:
    """Each pod ran on a node of the pool that its task names."""
    pools = {node["metadata"]["name"]: node["metadata"]["labels"].get("node-pool") for node in cluster.get("nodes")}
    landed = {pod["metadata"]["labels"]["task_id"]: pools[pod["spec"]["nodeName"]] for pod in run.pods}
    assert landed.pop("who") == landed.pop("work") == "pvm-pool"
    assert set(landed.values()) == {"default-pool"}


def test_command_of_the_image_works_in_a_locked_pod(run: Run) -> None:
    """`gopherwood migrate` works from our wheels, without root and with a root file system that cannot be written."""
    assert "catalog migrated" in run.log
    assert "user 65532 home /tmp/gopherwood" in run.log
    assert "root: Read-only file system" in run.log
    assert run.pod("migrate")["status"]["phase"] == "Succeeded"


def test_last_words_are_in_the_log(run: Run) -> None:
    """What a failing command printed is in the task's log."""
    assert "last words" in run.log


def test_result_of_a_pod_maps_the_next_task(run: Run) -> None:
    """The list that one pod handed over became a pod for each of its items."""
    assert "worker 0 at work" in run.log
    assert "worker 1 at work" in run.log


def test_deferred_task_waits_in_the_trigger(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    """With deferral on, the triggerer itself sees the pod end, and the tasks end the same."""
    deferred = Run(cluster, tmp_path, GOPHERWOOD_POD_DEFERRABLE="true")
    assert deferred.states == run.states
    assert deferred.log.count("the trigger says: success") >= 5  # those that succeed
    assert "the trigger says: error" not in deferred.log
