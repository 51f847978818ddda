"""The values for the official chart of Airflow, which is not at hand: documented keys, and numbers that fit."""

from typing import Any

import pytest
import yaml

from chart.render import ENVIRONMENTS, VALUES

DOCUMENTED = {
    "airflowVersion",
    "allowPodLaunching",
    "apiSecretKeySecretName",
    "apiServer",
    "config",
    "createUserJob",
    "dagProcessor",
    "dags",
    "data",
    "executor",
    "extraEnvFrom",
    "fernetKeySecretName",
    "gid",
    "jwtSecretName",
    "logs",
    "pgbouncer",
    "postgresql",
    "redis",
    "scheduler",
    "secret",
    "securityContexts",
    "statsd",
    "triggerer",
    "uid",
    "workers",
}
"""Keys of airflow.apache.org/docs/helm-chart/stable/parameters-ref.html that are used."""
EXECUTORS = {"LocalExecutor", "KubernetesExecutor"}


def merged(name: str, *more: str) -> dict[str, Any]:
    """Return the values of an environment as helm sees them."""
    found: dict[str, Any] = {}
    for file in ("base/airflow.yaml", f"{name}/airflow.yaml", *(f"base/{each}" for each in more)):
        if (VALUES / file).exists():
            found = over(found, yaml.safe_load((VALUES / file).read_text()) or {})
    return found


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay one tree of values over another, as helm does."""
    both = {key: over(below[key], above[key]) for key in below.keys() & above.keys() if isinstance(above[key], dict)}
    return below | above | both


@pytest.mark.parametrize("more", [(), ("airflow-kubernetes-executor.yaml",)])
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_values_are_ones_that_the_chart_knows(name: str, more: tuple[str, ...]) -> None:
    """Documented keys, an executor that starts no idle workers, and no database or broker of the chart's own."""
    values = merged(name, *more)
    assert set(values) <= DOCUMENTED
    assert values["executor"] in EXECUTORS
    assert (values["postgresql"]["enabled"], values["redis"]["enabled"]) == (False, False)
    assert (values["executor"] == "KubernetesExecutor") is bool(more)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_schedulers_may_start_what_the_pool_has_slots_for(name: str) -> None:
    """All schedulers together start no more tasks than `default_pool` has slots: it binds when somebody lowers it."""
    values = merged(name)
    core, schedulers = values["config"]["core"], values["scheduler"]["replicas"]
    assert core["parallelism"] * schedulers <= core["default_pool_task_slot_count"]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_many_processes_share_few_connections(name: str) -> None:
    """Where more than one of each runs, a pooler stands before the database, and takes all of them."""
    values = merged(name)
    processes = sum(values[part]["replicas"] for part in ("scheduler", "triggerer", "apiServer", "dagProcessor"))
    tasks = values["config"]["core"]["parallelism"] * values["scheduler"]["replicas"]
    pooler = values["pgbouncer"]
    assert pooler["enabled"] is (name not in ("dev", "ci"))
    if pooler["enabled"]:
        assert pooler["maxClientConn"] >= 2 * (processes + tasks)
        assert pooler["metadataPoolSize"] < pooler["maxClientConn"] / 5
