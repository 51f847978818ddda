"""Pods that others put an end to, on a real cluster: what the tasks' logs say, and what became of the next try."""

import json
import subprocess
import time

import pytest

from cluster.airflow_run import Run
from cluster.kube import NAMESPACE, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]


def evict(cluster: Cluster) -> None:
    """Evict the first pod of the task `evicted` once it is at work, as draining its node does."""
    selector, deadline = "task_id=evicted,try_number=1", time.monotonic() + 300
    while time.monotonic() < deadline:
        pods = cluster.kubectl("get", "pods", "-l", selector, "-o", "name").split()
        if pods and "at work" in cluster.kubectl("logs", pods[0], "--ignore-errors"):
            name = pods[0].removeprefix("pod/")
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
            command = ["kubectl", "create", "--raw", path, "-f", "-"]
            subprocess.run(command, env=cluster.env, input=json.dumps(body), text=True, check=True, capture_output=True)
            return
        time.sleep(0.2)
    raise AssertionError("the pod to evict never came")


@pytest.fixture(scope="module")
def run(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run that has ended."""
    return Run(cluster, tmp_path_factory.mktemp("airflow"), "endings", lambda: evict(cluster))


def test_killed_for_memory_succeeds_one_size_up(run: Run) -> None:
    """The first try is killed at 512Mi and says so; the second runs with the next size and succeeds."""
    assert (run.states["hungry", -1], run.tries["hungry"]) == ("success", 2), run.log[-5000:]
    assert "the container was killed for memory: limit 512Mi; the next try runs with the larger size normal" in run.log
    assert "runs with size normal (limit 2Gi): an earlier try was killed for memory" in run.log


def test_evicted_work_is_done_by_the_next_try(run: Run) -> None:
    """A pod whose node is drained is told of as such, and its task succeeds on the next try, no larger."""
    assert (run.states["evicted", -1], run.tries["evicted"]) == ("success", 2), run.log[-5000:]
    assert (
        "the pod was evicted: its node is drained" in run.log or "the pod is gone, and its end was not seen" in run.log
    )
    assert "work is done" in run.log


def test_missing_pool_fails_at_once_by_name(run: Run) -> None:
    """A pool that no node belongs to is named, with those that exist, before there is a pod to wait."""
    assert run.states["nowhere", -1] == "failed"
    assert "node pool no-such-pool does not exist" in run.log
    assert "Pools that exist: default-pool, pvm-pool." in run.log
