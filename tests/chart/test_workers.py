"""Standing workers: off unless asked for, locked in as task pods are, and counted by the rule of scaling.py."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from chart.render import CHARTS, HelmError, lock_for_golden, only, template
from gopherwood import cli, scaling
from gopherwood_airflow.node_pools import DEFAULT, POOLS, PREEMPTIBLE, NodePool
from gopherwood_airflow.sizes import NORMAL, mebibytes

KEDA = "workers.keda.enabled=true"
DOCUMENTED = {
    "scaleTargetRef",
    "pollingInterval",
    "cooldownPeriod",
    "minReplicaCount",
    "maxReplicaCount",
    "fallback",
    "advanced",
    "triggers",
}
"""Keys of a ScaledObject's spec that are used, from keda.sh/docs/latest/reference/scaledobject-spec."""


def rendered(folder: Path, *more: str) -> list[dict[str, Any]]:
    """Render the tasks' chart with workers."""
    return template("tasks", lock_for_golden(folder), more=("--set", ",".join(("workers.enabled=true", *more))))


def worker(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the Deployment."""
    return only(objects, "Deployment")


def test_objects_are_valid(tmp_path: Path) -> None:
    """Each object is what the API of two Kubernetes versions takes; KEDA's, which are not theirs, have its keys."""
    for each in rendered(tmp_path, KEDA, "pods.claim=state"):
        if each["apiVersion"].startswith("keda.sh/"):
            continue
        for version in ("1.30", "1.34"):
            kubernetes_validate.validate(each, version, strict=True)


def test_a_worker_is_locked_in_as_a_task_is(tmp_path: Path) -> None:
    """No root, no token, no capability, a root file system that cannot be written; a task pod's label and size."""
    pod = worker(rendered(tmp_path))["spec"]["template"]
    spec, (container,) = pod["spec"], pod["spec"]["containers"]
    assert pod["metadata"]["labels"]["app"] == "gopherwood-task"  # what the network policies look at
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"].items() >= {"runAsNonRoot": True, "runAsUser": 65532}.items()
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert (requests["cpu"], requests["memory"]) == (NORMAL.cpu, NORMAL.memory)
    assert (limits["cpu"], limits["memory"]) == (NORMAL.cpu_limit, NORMAL.memory_limit)
    (folder,) = (each["emptyDir"] for each in spec["volumes"] if each["name"] == "tmp")
    assert mebibytes(folder["sizeLimit"]) < mebibytes(limits["ephemeral-storage"])


def test_a_worker_may_be_taken_away(tmp_path: Path) -> None:
    """Its node may go: it is told, has time to give back what it holds, and the budget lets a drain go on."""
    objects = rendered(tmp_path)
    pod, budget = worker(objects)["spec"]["template"], only(objects, "PodDisruptionBudget")["spec"]
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "true"
    assert pod["spec"]["terminationGracePeriodSeconds"] > cli.GRACE
    assert budget["selector"] == worker(objects)["spec"]["selector"]
    assert (budget["maxUnavailable"], "minAvailable" in budget) == (1, False)


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.name)
def test_a_pool_is_what_node_pools_declare(pool: NodePool, tmp_path: Path) -> None:
    """Workers and the check of an installation are placed on a pool, and tolerate all its nodes are tainted with."""
    objects = rendered(tmp_path, f"workers.nodePool={pool.name}")
    check = next(each for each in objects if each["metadata"]["name"] == f"gopherwood-pool-{pool.name}")
    for each in (worker(objects), check):
        spec = each["spec"]["template"]["spec"]
        terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        assert terms == [{"matchExpressions": [{"key": "node-pool", "operator": "In", "values": [pool.name]}]}]
        tolerated = {(each["key"], each["value"], each["effect"]) for each in spec["tolerations"]}
        assert tolerated == {(each.key, each.value, each.effect) for each in (pool.taint, *pool.provider_taints)}


def test_workers_may_ask_the_upstream(tmp_path: Path) -> None:
    """The policy that lets task pods out lets them out too."""
    policies = [each for each in rendered(tmp_path) if each["metadata"]["name"] == "gopherwood-outside"]
    assert "work" in policies[0]["spec"]["podSelector"]["matchExpressions"][0]["values"]


def test_the_scaler_asks_what_the_rule_says(tmp_path: Path) -> None:
    """KEDA is given the query of scaling.py with the chart's numbers, the same bounds, and the same calm."""
    numbers = "workers.perWorker=50,workers.stepSeconds=300,workers.least=1,workers.most=5,workers.calmSeconds=120"
    objects = rendered(tmp_path, KEDA, numbers)
    spec = only(objects, "ScaledObject")["spec"]
    (trigger,) = spec["triggers"]
    rule = scaling.Rule(per_worker=50, step=timedelta(minutes=5), least=1, most=5, calm=timedelta(minutes=2))
    assert trigger["metadata"].pop("query").strip() == scaling.query(rule).strip()
    assert trigger["metadata"] == {"targetQueryValue": "1", "activationTargetQueryValue": "0"}
    assert (trigger["type"], trigger["metricType"]) == ("postgresql", "AverageValue")
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (rule.least, rule.most)
    behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behaviour["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == rule.calm.total_seconds()
    assert set(spec) == DOCUMENTED
    assert spec["scaleTargetRef"]["name"] == worker(objects)["metadata"]["name"]
    assert "replicas" not in worker(objects)["spec"]


def test_the_scaler_gets_the_catalog_from_the_secret(tmp_path: Path) -> None:
    """By reference, as pods do; nothing that is secret is rendered."""
    objects = rendered(tmp_path, KEDA)
    given = only(objects, "TriggerAuthentication")
    assert given["spec"]["secretTargetRef"] == [
        {"parameter": "connection", "name": "gopherwood-tasks", "key": "GOPHERWOOD_CATALOG"}
    ]
    (trigger,) = only(objects, "ScaledObject")["spec"]["triggers"]
    assert trigger["authenticationRef"] == {"name": given["metadata"]["name"]}


def test_the_rule_of_the_chart_is_that_of_the_code(tmp_path: Path) -> None:
    """The values that nobody changed are the defaults of scaling.Rule."""
    values = yaml.safe_load((CHARTS["tasks"] / "values.yaml").read_text())["workers"]
    rule = scaling.Rule()
    assert (values["perWorker"], values["least"], values["most"]) == (rule.per_worker, rule.least, rule.most)
    assert timedelta(seconds=values["stepSeconds"]) == rule.step
    assert timedelta(seconds=values["calmSeconds"]) == rule.calm


def test_the_pool_has_room_for_all_workers(tmp_path: Path) -> None:
    """As many as the scaler may ask for fit on the nodes that the pool may have, beside a full `fetch` of `ingest`."""
    values = yaml.safe_load((CHARTS["tasks"] / "values.yaml").read_text())["workers"]
    cores, at_work = 4, 16  # the machine of the pool; max_active_tis_per_dag of `fetch`
    assert PREEMPTIBLE.machine.startswith(f"{cores} cores")
    on_a_node = int(cores * 1000 * 0.9) // int(NORMAL.cpu.removesuffix("m"))
    assert values["nodePool"] == PREEMPTIBLE.name != DEFAULT.name
    assert values["most"] + at_work <= PREEMPTIBLE.most * on_a_node


def test_bounds_that_cannot_be_are_refused(tmp_path: Path) -> None:
    """More at least than at most, and a typo below, stop before anything is installed."""
    with pytest.raises(HelmError, match=r"workers\.least is above workers\.most"):
        rendered(tmp_path, "workers.least=3,workers.most=2")
    with pytest.raises(HelmError, match="'pollSeconds' not allowed"):
        rendered(tmp_path, "workers.keda.pollSeconds=3")
    assert "ScaledObject" not in json.dumps(rendered(tmp_path))
