"""How a pod ended is told in the task's log, and what follows from it; asked of an API server over a socket."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import airflow_alone
from fakes.kubeapi import KubeApi, ended

pytestmark = pytest.mark.xdist_group("airflow")

Judge = Callable[[dict[str, Any]], Exception]


class TaskState(dict[str, Any]):
    """What Airflow keeps of a task for its next try."""

    set = dict.__setitem__


@pytest.fixture
def api() -> Iterator[KubeApi]:
    """Return an API server without pods."""
    with KubeApi() as server:
        yield server


@pytest.fixture
def task(pod_of: Any, api: KubeApi, tmp_path: Path) -> Any:
    """Return a task whose pods are on that server."""
    Path(tmp_path, "kubeconfig").write_text(api.kubeconfig)
    return pod_of()


def judged(task: Any, state: TaskState, remote_pod: Any = None) -> Exception:
    """Return how the task ends whose pod is called `pod`."""
    pod = remote_pod or task.client.read_namespaced_pod("pod", "gopherwood")
    with pytest.raises(airflow_alone.errors().AirflowException) as caught:
        task.cleanup(pod, pod, context={"task_state_store": state})
    return caught.value


@pytest.mark.parametrize(
    ("code", "error"),
    [(99, "AirflowSkipException"), (2, "AirflowFailException"), (3, "AirflowFailException"), (1, "AirflowException")],
)
def test_exit_codes_mean_the_same_as_without_a_cluster(task: Any, api: KubeApi, code: int, error: str) -> None:
    """A pod that ended with 99 is skipped, with 2 or 3 failed for good, with another code tried again."""
    api.add_pod(**ended(code))
    assert type(judged(task, TaskState())).__name__ == error
    assert api.deleted == ["pod"]


def test_killed_for_memory_is_told_and_tried_one_size_up(task: Any, api: KubeApi) -> None:
    """The log names the limit and the next size, and the next try runs with it."""
    api.add_pod(**ended(137, "OOMKilled"))
    state = TaskState()
    assert str(judged(task, state)) == (
        "the container was killed for memory: limit 2Gi; the next try runs with the larger size large (limit 4Gi)"
    )
    task._take_size({"task_state_store": state})
    assert task.container_resources.limits == {"cpu": "1600m", "memory": "4Gi"}
    assert task.labels["size"] == "large"


def test_nothing_is_larger_than_the_largest(task: Any, api: KubeApi) -> None:
    """At the end of the ladder the log says where to read on, and the next try is no larger."""
    api.add_pod(**ended(137, "OOMKilled"))
    api.pods["pod"]["metadata"]["labels"]["size"] = "huge"
    state = TaskState()
    assert "the largest size there is" in str(judged(task, state))
    assert state == {}


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (
            {"reason": "Evicted", "message": "The node was low on resource: memory."},
            "the pod was evicted (Evicted) (The node was low on resource: memory.)",
        ),
        (
            {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]},
            "the pod was preempted",
        ),
        (
            {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]},
            "the pod was evicted: its node is drained",
        ),
    ],
)
def test_eviction_is_no_failure_of_the_command(task: Any, api: KubeApi, status: dict[str, Any], says: str) -> None:
    """A pod that went with its node, or for one of higher priority, is told of as such, and the next is no larger."""
    api.add_pod(**status, **ended(137, "OOMKilled"))
    state = TaskState()
    told = str(judged(task, state))
    assert told.startswith(says)
    assert "Lost nothing" in told
    assert state == {}


def test_other_kills_are_not_taken_for_the_limit(task: Any, api: KubeApi) -> None:
    """Exit code 137 without Kubernetes' word for the limit of memory is told as what it is, and nothing grows."""
    api.add_pod(**ended(137))
    state = TaskState()
    assert "killed by SIGKILL (exit code 137), and not for its limit" in str(judged(task, state))
    assert state == {}


def test_pod_that_is_gone_is_told_by_its_events(task: Any, api: KubeApi) -> None:
    """A pod that was deleted while Airflow watched it has no status any more; its events may say who did it."""
    api.add_pod(phase="Running")
    seen = task.client.read_namespaced_pod("pod", "gopherwood")
    api.pods.clear()
    assert "somebody deleted it" in str(judged(task, TaskState(), seen))
    api.events.append({"reason": "Preempted", "message": "by pod x", "metadata": {}, "involvedObject": {}})
    assert "the pod was preempted" in str(judged(task, TaskState(), seen))


def test_missing_pool_is_found_before_there_is_a_pod(task: Any, api: KubeApi) -> None:
    """No node of the pool: the error names the pool, the label, the pools that exist, and what to do."""
    api.add_node("n1", node_pool="pvm-pool")
    with pytest.raises(airflow_alone.errors().AirflowException) as caught:
        task.execute({"task_state_store": TaskState()})
    assert str(caught.value) == (
        "node pool default-pool does not exist: no node has the label node-pool=default-pool. Pools that exist: "
        "pvm-pool. Label its nodes (kubectl label node NAME node-pool=default-pool), or let the task name another pool"
    )


@pytest.mark.parametrize(
    ("pool", "forbidden", "says"),
    [
        ("default-pool", set(), None),
        ("pvm-pool", set(), "node pool pvm-pool has no node now; it may grow, and the pod waits up to 600 s"),
        ("gone-pool", {"nodes"}, "node pool gone-pool is not checked: no right to list nodes"),
    ],
)
def test_pool_that_may_be_there_is_no_error(
    task: Any, api: KubeApi, caplog: pytest.LogCaptureFixture, pool: str, forbidden: set[str], says: str | None
) -> None:
    """A pool with a node, one that grows from nothing, and one that nobody may look at: the pod is made."""
    import logging

    from gopherwood_airflow import poolcheck
    from gopherwood_airflow.node_pools import POOLS, NodePool

    api.add_node("n1", node_pool="default-pool")
    api.forbidden = forbidden
    declared = next((each for each in POOLS if each.name == pool), NodePool(pool, ""))
    with caplog.at_level(logging.INFO):
        poolcheck.check(declared, task.client, logging.getLogger("task"), 600)
    assert (says or "") in caplog.text
    assert bool(caplog.text) is bool(says)
