"""TaskPod on a real cluster: one DAG of pods, run once by Airflow itself; what became of each pod and each task."""

import pytest

from cluster.airflow_run import Run, Runs
from cluster.kube import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]


@pytest.fixture
def run(runs: Runs) -> Run:
    """Return a run that has ended."""
    return runs.pods


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


def test_deferred_task_waits_in_the_trigger(runs: Runs) -> None:
    """With deferral on, the triggerer itself sees the pod end, and the tasks end the same."""
    assert runs.deferred.states == runs.pods.states
    assert runs.deferred.log.count("the trigger says: success") >= 5  # those that succeed
    assert "the trigger says: error" not in runs.deferred.log
