"""Pods that others put an end to, on a real cluster: what the tasks' logs say, and what became of the next try."""

import pytest

from cluster.airflow_run import Run, Runs

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]


@pytest.fixture
def run(runs: Runs) -> Run:
    """Return a run that has ended."""
    return runs.endings


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
