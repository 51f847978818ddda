"""The pod: what its manifest says. What a cluster makes of it is in tests/cluster."""

import json
import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import airflow_alone
from gopherwood_airflow import trace
from podspec import IMAGE, manifest

assert airflow_alone
pytestmark = pytest.mark.xdist_group("airflow")


def test_command_is_that_of_the_image(spec: dict[str, Any]) -> None:
    """The container runs `gopherwood` with the task's arguments from the configured image."""
    container = spec["spec"]["containers"][0]
    assert (container["image"], container["command"], container["args"]) == (
        IMAGE,
        ["gopherwood"],
        ["smoke"],
    )


def test_pod_is_bound_to_its_node_pool(pod_of: Any) -> None:
    """Node affinity to the pool is required, and the pool's taint tolerated."""
    from gopherwood_airflow.node_pools import PREEMPTIBLE

    spec = manifest(pod_of(node_pool=PREEMPTIBLE))["spec"]
    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "node-pool", "operator": "In", "values": ["pvm-pool"]}]}
    ]
    assert spec["tolerations"][0] == {
        "key": "node-pool",
        "operator": "Equal",
        "value": "pvm-pool",
        "effect": "NoSchedule",
    }
    assert {taint["key"] for taint in spec["tolerations"][1:]} == {taint.key for taint in PREEMPTIBLE.provider_taints}


def test_resources_are_explicit(spec: dict[str, Any]) -> None:
    """Requests and limits of processor and memory are all there."""
    assert spec["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "800m", "memory": "1Gi"},
        "limits": {"cpu": "800m", "memory": "2Gi"},
    }


def test_pod_may_do_nothing_it_need_not(spec: dict[str, Any]) -> None:
    """Not root, no capability, no write but to /tmp, no token of the cluster, the default seccomp profile."""
    pod, container = spec["spec"], spec["spec"]["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_settings_come_by_name_only(spec: dict[str, Any]) -> None:
    """Settings and secrets are references: no value is in the manifest."""
    container = spec["spec"]["containers"][0]
    assert {"configMapRef": {"name": "settings"}} in container["envFrom"]
    assert {"secretRef": {"name": "secrets"}} in container["envFrom"]
    assert len(container["envFrom"]) == 2
    assert {variable["name"] for variable in container["env"]} == {"HOME", "TMPDIR"}


def test_services_beside_it_set_no_variables(spec: dict[str, Any]) -> None:
    """Else the Service `gopherwood-serving` would be the setting GOPHERWOOD_SERVING_PORT, and no number."""
    assert spec["spec"]["enableServiceLinks"] is False


def test_labels_and_name(spec: dict[str, Any]) -> None:
    """A pod says what it is, and its name ends at random: two tries never share one."""
    assert (
        spec["metadata"]["labels"].items()
        >= {
            "app.kubernetes.io/name": "gopherwood",
            "app.kubernetes.io/component": "on_it",
        }.items()
    )
    assert spec["metadata"]["name"].startswith("gopherwood-on-it-")
    assert len(spec["metadata"]["name"]) > len("gopherwood-on-it-")


def test_result_needs_no_sidecar(pod_of: Any) -> None:
    """A result is handed over in the termination message, so the pod has one container."""
    containers = manifest(pod_of(result=True))["spec"]["containers"]
    assert len(containers) == 1
    assert {"name": "GOPHERWOOD_XCOM", "value": "/dev/termination-log"} in containers[0]["env"]


def context(**task: Any) -> Any:
    """Return what Airflow tells of a task that runs."""
    ti = SimpleNamespace(**{"dag_id": "ingest", "task_id": "on_it", "map_index": -1, "try_number": 2} | task)
    return {"ti": ti, "run_id": "scheduled__2026-10-01T00:00:00+00:00", "dag": None}


def test_a_pod_is_told_whose_work_it_is(pod_of: Any) -> None:
    """Its variables name DAG, task, run and try, and carry the run's trace: log lines of all its tasks share it."""
    made = manifest(pod_of(), context(map_index=3))["spec"]["containers"][0]["env"]
    variables = {each["name"]: each.get("value") for each in made}
    assert (variables["AIRFLOW_CTX_TASK_ID"], variables["AIRFLOW_CTX_TRY_NUMBER"]) == ("on_it", "2")
    run = trace.traceparent("ingest", "scheduled__2026-10-01T00:00:00+00:00")
    assert variables["TRACEPARENT"].split("-")[1] == run.split("-")[1]


def test_labels_name_dag_task_and_run(pod_of: Any) -> None:
    """A pod's labels lead to its task: DAG, task, run and try, each made a value that Kubernetes takes."""
    labels = manifest(pod_of(modules="12"), context(map_index=3))["metadata"]["labels"]
    assert labels["dag_id"] == "ingest"
    assert labels["task_id"] == "on_it"
    assert labels["run_id"].startswith("scheduled__2026-10-01T0000000000-")
    assert (labels["map_index"], labels["try_number"], labels["modules"], labels["size"]) == ("3", "2", "12", "normal")
    assert all(re.fullmatch(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", value) for value in labels.values())


@pytest.mark.parametrize(
    ("verb", "account", "evictable"),
    [
        ("fetch", "gopherwood-fetch", "true"),
        ("validate", "gopherwood-validate", "true"),
        ("audit", "gopherwood-audit", "true"),
        ("publish", "gopherwood-publish", "false"),
        ("discover", "gopherwood-task", "false"),
    ],
)
def test_verb_says_who_a_pod_is_and_whether_its_node_may_go(
    pod_of: Any, monkeypatch: pytest.MonkeyPatch, verb: str, account: str, evictable: str
) -> None:
    """Each kind of job has its service account; only what leases its work lets an autoscaler take its node."""
    monkeypatch.setenv("GOPHERWOOD_POD_SERVICE_ACCOUNT", "gopherwood-{job}")
    pod = manifest(pod_of(arguments=[verb]))
    assert pod["spec"]["serviceAccountName"] == account
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == evictable


def test_audit_of_repositories_has_the_image_with_git(pod_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb and its flag say it; without such an image, and for every other job, it is the tasks' image."""
    origin = ["audit", "--origin"]
    assert manifest(pod_of(arguments=origin))["spec"]["containers"][0]["image"] == IMAGE
    vcs = IMAGE.replace("tasks", "vcs")
    monkeypatch.setenv("GOPHERWOOD_POD_VCS_IMAGE", vcs)
    pods = [manifest(pod_of(arguments=line)) for line in (origin, ["audit", "--scrub"], ["fetch"])]
    assert [pod["spec"]["containers"][0]["image"] for pod in pods] == [vcs, IMAGE, IMAGE]


def test_what_counts_and_checks_has_the_image_with_pandas(pod_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb says it; every other job has the tasks' image."""
    data = IMAGE.replace("tasks", "data")
    monkeypatch.setenv("GOPHERWOOD_POD_DATA_IMAGE", data)
    pods = [manifest(pod_of(arguments=line)) for line in (["usage"], ["quality"], ["fetch"])]
    assert [pod["spec"]["containers"][0]["image"] for pod in pods] == [data, data, IMAGE]


def test_what_makes_load_has_the_image_with_generators(pod_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb says it; every other job has the tasks' image."""
    load = IMAGE.replace("tasks", "loadtest")
    monkeypatch.setenv("GOPHERWOOD_POD_LOAD_IMAGE", load)
    pods = [manifest(pod_of(arguments=line)) for line in (["loadtest", "ui"], ["fetch"])]
    assert [pod["spec"]["containers"][0]["image"] for pod in pods] == [load, IMAGE]


def test_state_on_a_volume_is_mounted(pod_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim is mounted where the charts expect it, writable, beside /tmp."""
    monkeypatch.setenv("GOPHERWOOD_POD_CLAIM", "gopherwood-serving-store")
    spec = manifest(pod_of())["spec"]
    assert {"name": "state", "persistentVolumeClaim": {"claimName": "gopherwood-serving-store"}} in spec["volumes"]
    mounts = spec["containers"][0]["volumeMounts"]
    assert mounts == [{"name": "tmp", "mountPath": "/tmp"}, {"name": "state", "mountPath": "/var/lib/gopherwood"}]


@pytest.mark.parametrize("spread", ["preferred", "required"])
def test_pods_of_one_task_keep_apart(pod_of: Any, spread: str) -> None:
    """Where a task asks for it, its pods keep to different nodes; those of other tasks do not matter."""
    from gopherwood_airflow.jobs import Job

    rules = manifest(pod_of(job=Job("fetch", spread=spread)))["spec"]["affinity"]["podAntiAffinity"]  # type: ignore[arg-type]
    ((kind, (term,)),) = rules.items()
    assert kind == f"{spread}DuringSchedulingIgnoredDuringExecution"
    term = term.get("podAffinityTerm", term)
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"] == {
        "app": "gopherwood-task",
        "app.kubernetes.io/component": "on_it",
    }


def test_tasks_share_nodes_unless_they_ask(spec: dict[str, Any]) -> None:
    """No rule keeps pods apart that did not ask for one."""
    assert set(spec["spec"]["affinity"]) == {"nodeAffinity"}


def test_priority_and_grace(pod_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The priority class is a setting, none by default; a pod has 30 seconds to give its leases back."""
    assert "priorityClassName" not in manifest(pod_of())["spec"]
    monkeypatch.setenv("GOPHERWOOD_POD_PRIORITY_CLASS", "batch")
    spec = manifest(pod_of())["spec"]
    assert (spec["priorityClassName"], spec["terminationGracePeriodSeconds"]) == ("batch", 30)


def test_airflow_in_the_cluster_says_so(pod_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The triggerer tries no service account that it is not told of; with a KUBECONFIG that one counts."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert pod_of().in_cluster is None
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert pod_of(config_file=None).in_cluster is True
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    assert pod_of().in_cluster is None


def test_restarted_worker_goes_on_with_the_pod_that_runs(pod_of: Any) -> None:
    """The pod's name is kept in Airflow's task state store: a worker that comes back starts no second pod."""
    assert pod_of().durable is True


def test_promotion_has_helm_a_token_and_a_checkout(pod_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod that runs helm is another image, with its account's token; helm's memory is in ConfigMaps."""
    image = "registry.example/deploy@sha256:" + "d" * 64
    monkeypatch.setenv("GOPHERWOOD_POD_DEPLOY_IMAGE", image)
    monkeypatch.setenv("GOPHERWOOD_POD_CHECKOUT", "checkout")
    made = manifest(pod_of(arguments=["promote", "x.json", "--to", "ci"]))["spec"]
    (container,) = made["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert (container["image"], made["automountServiceAccountToken"]) == (image, True)
    assert (variables["HELM_DRIVER"], variables["GOPHERWOOD_CHECKOUT"]) == ("configmap", "/checkout")
    assert {"name": "checkout", "persistentVolumeClaim": {"claimName": "checkout"}} in made["volumes"]


def test_ledger_key_is_a_file_for_who_publishes_and_for_nobody_else(
    pod_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod that fetches, where other people's code is unpacked, has no way to the key."""
    monkeypatch.setenv("GOPHERWOOD_POD_LEDGER_SECRET", "ledger")
    publishes, fetches = (json.dumps(manifest(pod_of(arguments=[verb]))) for verb in ("publish", "fetch"))
    assert '"secretName": "ledger"' in publishes
    assert "/etc/gopherwood/ledger/key" in publishes
    assert "ledger" not in fetches


def test_deferred_task_waits_by_the_trigger_that_fires_late(pod_of: Any) -> None:
    """The provider's trigger would fire before the scheduler knows of the deferral; ours has all that one was told."""
    from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
    from airflow.sdk.exceptions import TaskDeferred
    from airflow.sdk.module_loading import import_string

    theirs = KubernetesPodTrigger("pod", "gopherwood", datetime(2026, 3, 1, tzinfo=UTC), "base", poll_interval=7)
    with pytest.raises(TaskDeferred) as deferred:
        pod_of().defer(trigger=theirs, method_name="trigger_reentry", timeout=None)
    name, arguments = deferred.value.trigger.serialize()
    assert arguments == theirs.serialize()[1]
    made = import_string(name)(**arguments)
    assert (type(made).__module__, made.serialize()) == ("gopherwood_airflow.trigger", (name, arguments))
