"""What holds of every object in every environment, as it would be installed."""

import json
import re
from dataclasses import fields

import kubernetes_validate
import pytest

from chart.render import (
    CHARTS,
    ENVIRONMENTS,
    PINNED,
    VALUES,
    HelmError,
    Object,
    environment,
    files,
    objects,
    only,
    pods,
    template,
)
from gopherwood.config import Settings
from gopherwood_airflow.jobs import JOBS
from gopherwood_airflow.node_pools import POOLS
from gopherwood_airflow.settings import Cluster

LABELS = {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component", "part-of", "version", "managed-by")}
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
every_environment = pytest.mark.parametrize("name", ENVIRONMENTS)


def containers(rendered: list[Object]) -> list[tuple[str, Object]]:
    """List all containers with the names of their owners."""
    return [(f"{owner}/{each['name']}", each) for owner, pod in pods(rendered) for each in pod["spec"]["containers"]]


def config_maps(name: str) -> list[dict[str, str]]:
    """Return what the ConfigMaps of an environment hold."""
    return [each["data"] for each in objects(name) if each["kind"] == "ConfigMap"]


def size(quantity: str) -> int:
    """Return the bytes of a quantity of memory."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


@every_environment
@pytest.mark.parametrize("version", ["1.30", "1.34"])
def test_objects_are_valid(name: str, version: str) -> None:
    """Each object is what the API of two Kubernetes versions takes, to the last field."""
    for each in objects(name):
        kubernetes_validate.validate(each, version, strict=True)


@every_environment
def test_every_object_says_what_it_is(name: str) -> None:
    """Standard labels are on objects and on pods, and names fit a DNS label."""
    for each in objects(name):
        assert set(each["metadata"]["labels"]) >= LABELS, each
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", each["metadata"]["name"])
        assert len(each["metadata"]["name"]) <= 63
    assert all(set(pod["metadata"]["labels"]) >= LABELS for _, pod in pods(objects(name)))


@every_environment
def test_every_container_has_requests_and_limits(name: str) -> None:
    """Processor, memory and disk, both ways."""
    for owner, each in containers(objects(name)):
        for kind in ("requests", "limits"):
            assert set(each["resources"][kind]) == {"cpu", "memory", "ephemeral-storage"}, owner


@every_environment
def test_every_pod_may_do_nothing_it_need_not(name: str) -> None:
    """Not root, a root file system that cannot be written, no capability, no token, the default seccomp profile."""
    for owner, pod in pods(objects(name)):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, owner
        assert spec["securityContext"].items() >= {"runAsNonRoot": True, "runAsUser": 65532}.items(), owner
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        for each in spec["containers"]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, owner


@pytest.mark.parametrize("name", PINNED)
def test_images_are_named_by_digest(name: str) -> None:
    """Where others build on what runs, no tag can move it."""
    images = {each["image"] for _, each in containers(objects(name))}
    images |= {data["GOPHERWOOD_POD_IMAGE"] for data in config_maps(name) if "GOPHERWOOD_POD_IMAGE" in data}
    assert [image for image in images if not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", image)] == []


@every_environment
def test_no_secret_is_in_a_manifest(name: str) -> None:
    """Secrets are referred to; no object of kind Secret, and no value that looks like one."""
    rendered = objects(name)
    assert not [each for each in rendered if each["kind"] == "Secret"]
    text = json.dumps(rendered)
    assert not re.search(r'(?i)"[a-z_]*(password|secret_access_key|api_?key)"', text)
    assert not re.search(r"://[^\s/\"]+:[^\s/\"]+@", text)
    assert "secretRef" in text


@every_environment
def test_rights_are_the_least(name: str) -> None:
    """No wildcard, nothing about secrets, no shell in a pod, nothing beyond the namespace but the names of nodes."""
    for each in objects(name):
        if each["kind"] == "ClusterRole":
            assert each["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
        for rule in each.get("rules", []) if each["kind"] == "Role" else []:
            words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "*" not in words
            assert not {"secrets", "pods/exec", "pods/attach", "pods/portforward"} & set(words)
            assert not {"escalate", "bind", "impersonate"} & set(words)


@every_environment
def test_probes_mean_something(name: str) -> None:
    """Ready is store and catalog, alive is the process alone, and the start has two minutes."""
    deployment = only(environment(name)["serving"], "Deployment")
    app = deployment["spec"]["template"]["spec"]["containers"][0]
    assert app["startupProbe"]["httpGet"]["path"] == app["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert app["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert app["startupProbe"]["periodSeconds"] * app["startupProbe"]["failureThreshold"] >= 60
    for each in deployment["spec"]["template"]["spec"]["containers"]:
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(each)


@every_environment
def test_pods_end_within_their_grace(name: str) -> None:
    """The proxy stops taking requests before the app does, and Kubernetes kills neither before it has drained."""
    rendered = environment(name)["serving"]
    spec = only(rendered, "Deployment")["spec"]["template"]["spec"]
    settings = next(each["data"] for each in rendered if "GOPHERWOOD_HOME" in each.get("data", {}))
    waits = {each["name"]: each["lifecycle"]["preStop"]["sleep"]["seconds"] for each in spec["containers"]}
    drain = float(settings["GOPHERWOOD_SERVING_GRACE"]) + float(settings["GOPHERWOOD_SERVING_DRAIN"])
    assert waits["serving"] > waits.get("proxy", 0) >= 0
    assert spec["terminationGracePeriodSeconds"] >= waits["serving"] + drain
    assert spec["terminationGracePeriodSeconds"] >= waits.get("proxy", 0) + float(settings["GOPHERWOOD_SERVING_DRAIN"])


@every_environment
def test_budget_fits_the_replicas(name: str) -> None:
    """A node can always be drained, and while more than one pod serves, one is left."""
    rendered = environment(name)["serving"]
    scaler = [each for each in rendered if each["kind"] == "HorizontalPodAutoscaler"]
    deployment = only(rendered, "Deployment")
    budget = only(rendered, "PodDisruptionBudget")["spec"]
    least = scaler[0]["spec"]["minReplicas"] if scaler else deployment["spec"]["replicas"]
    assert ("replicas" in deployment["spec"]) is not bool(scaler)
    assert "minAvailable" not in budget
    assert 1 <= budget["maxUnavailable"] < max(least, 2)
    assert budget["selector"] == deployment["spec"]["selector"]


@every_environment
def test_memory_fits_what_the_app_may_keep(name: str) -> None:
    """The limit holds the hot files of all workers, and as much again for everything else, up to half a GiB."""
    rendered = environment(name)["serving"]
    settings = next(each["data"] for each in rendered if "GOPHERWOOD_HOME" in each.get("data", {}))
    hot = int(settings["GOPHERWOOD_SERVING_MEMORY"]) * int(settings["GOPHERWOOD_SERVING_WORKERS"])
    app = only(rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert size(app["resources"]["limits"]["memory"]) >= hot + min(hot, 512 << 20)


@every_environment
def test_settings_are_settings(name: str) -> None:
    """Each GOPHERWOOD_ variable of a ConfigMap is one that config.py reads, with a value that it takes."""
    known = {f"GOPHERWOOD_{spec.name.upper()}" for spec in fields(Settings)}
    maps = [data for data in config_maps(name) if "GOPHERWOOD_HOME" in data]
    assert len(maps) == 2
    for data in maps:
        assert set(data) <= known
        Settings.from_env(data)


def test_node_pools_are_those_of_the_dags() -> None:
    """The pre-check of an installation visits each pool that node_pools.py declares."""
    checked = {each["metadata"]["name"] for each in objects("production") if "-pool-" in each["metadata"]["name"]}
    assert checked == {f"gopherwood-pool-{pool.name}" for pool in POOLS}


def test_right_to_list_nodes_can_be_left_out() -> None:
    """Who installs need not be allowed to give a right beyond the namespace."""
    rendered = tasks_of_dev("airflow.listNodes=false")
    assert not [each for each in rendered if each["kind"].startswith("Cluster")]


def tasks_of_dev(*values: str) -> list[Object]:
    """Render the tasks' chart of the environment `dev` with some values."""
    more = tuple(flag for value in values for flag in ("--set", value))
    return template("tasks", *files("dev", "tasks"), VALUES / "dev" / "release.lock", more=more)


def test_airflow_in_one_pod_may_start_pods_and_no_more() -> None:
    """The one pod with a token has the launcher's role; all its parts are as locked up as any other container."""
    rendered = tasks_of_dev("airflow.onePod.enabled=true")
    for each in rendered:
        kubernetes_validate.validate(each, "1.34", strict=True)
    spec = only(rendered, "Deployment")["spec"]["template"]["spec"]
    assert [each["name"] for each in spec["containers"]] == ["api-server", "dag-processor", "scheduler", "triggerer"]
    for each in (*spec["initContainers"], *spec["containers"]):
        assert each["securityContext"]["readOnlyRootFilesystem"]
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert set(each["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}
        assert all("value" in name or "secretKeyRef" in name["valueFrom"] for name in each["env"])
    for binding in (each for each in rendered if each["kind"] in ("RoleBinding", "ClusterRoleBinding")):
        named = {each["name"] for each in binding["subjects"]}
        assert (spec["serviceAccountName"] in named) is (not binding["metadata"]["name"].endswith("-chaos"))


def test_jobs_that_ask_version_control_are_told_of_their_image() -> None:
    """By default the audit of repositories alone gets it; `pods.vcs=all` gives it to every task."""
    told = {}
    for who in ("origin", "all"):
        rendered = tasks_of_dev("images.vcs.tag=v1", f"pods.vcs={who}")
        (told[who],) = (each["data"] for each in rendered if "GOPHERWOOD_POD_IMAGE" in each.get("data", {}))
    assert told["origin"]["GOPHERWOOD_POD_IMAGE"] == "localhost/gopherwood-tasks:0.1.0"
    assert told["all"]["GOPHERWOOD_POD_IMAGE"] == "localhost/gopherwood-vcs:v1"
    assert {each["GOPHERWOOD_POD_VCS_IMAGE"] for each in told.values()} == {"localhost/gopherwood-vcs:v1"}


PROMOTE = ("--set", "promote.enabled=true,airflow.listNodes=false,chaos.enabled=true")


def test_promotions_have_the_rights_that_helm_needs_and_no_secret() -> None:
    """Every object of both charts can be made within the namespace, and the rights that it gives away are its own."""
    lock, more = VALUES / "production" / "release.lock", ("--set", "serviceMonitor.enabled=true,ingress.enabled=true")
    more = (*more, "--set", "ingress.host=modules.example")
    tasks = template("tasks", *files("production", "tasks"), lock, more=PROMOTE)
    rendered = [*tasks, *template("serving", *files("production", "serving"), lock, more=more)]
    role = next(each for each in tasks if each["kind"] == "Role" and each["metadata"]["name"] == "gopherwood-promote")
    may = {
        (g, r, v) for rule in role["rules"] for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]
    }
    assert not {resource for _, resource, _ in may} & {"secrets", "*", "pods/exec", "clusterroles", "nodes"}
    plurals = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}
    for each in rendered:
        group = each["apiVersion"].rpartition("/")[0]
        kind = plurals.get(each["kind"], each["kind"].lower() + "s")
        assert {(group, kind, verb) for verb in ("get", "create", "patch", "delete")} <= may, each["kind"]
        for rule in each.get("rules", []):
            given = {(g, r, v) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}
            assert given <= may, each["metadata"]["name"]


def test_promotions_stay_within_the_namespace() -> None:
    """With a ClusterRole in the chart an upgrade from within would fail: the chart says so beforehand."""
    with pytest.raises(HelmError, match=r"set airflow\.listNodes to false"):
        template(
            "tasks",
            VALUES / "dev" / "release.lock",
            more=("--set", "allowTags=true,promote.enabled=true,airflow.listNodes=true"),
        )


def test_environments_do_not_share_a_place() -> None:
    """Each environment has a folder, and a namespace and context that no other has: A must never be taken for B."""
    declared = json.loads((VALUES / "environments.json").read_text())
    assert len({(each["namespace"], each["context"]) for each in declared}) == len(declared) == 5
    assert {path.name for path in VALUES.iterdir() if path.is_dir()} == {*ENVIRONMENTS, "base"}


@every_environment
def test_airflow_can_use_what_it_is_told_of_pods(name: str) -> None:
    """The settings of pods are ones that plugins/gopherwood_airflow takes, and each kind of job has its account."""
    accounts = {each["metadata"]["name"] for each in objects(name) if each["kind"] == "ServiceAccount"}
    (told,) = (data for data in config_maps(name) if "GOPHERWOOD_POD_IMAGE" in data)
    of_dags = {f"GOPHERWOOD_{each}" for each in ("SERVING_URL", "SERVING_PUBLIC_URL", "LOAD_URL", "LOAD_PAUSED")}
    assert set(told) - of_dags <= {f"GOPHERWOOD_POD_{spec.name.upper()}" for spec in fields(Cluster)}
    assert told.get("GOPHERWOOD_LOAD_PAUSED") == ("true" if name == "production" else None)
    cluster = Cluster.from_env(told)
    assert cluster.allow_tags is (name not in PINNED)
    assert {cluster.account(job) for job in ("task", *JOBS)} <= accounts


@pytest.mark.parametrize("name", PINNED)
def test_ways_out_are_named(name: str) -> None:
    """Database, object store and DNS are peers, not any address; serving has no way out but these."""
    policies = [each for each in objects(name) if each["kind"] == "NetworkPolicy"]
    serving = [each for each in policies if "serving" in each["metadata"]["name"]]
    assert len(serving) == 3
    for each in policies:
        for rule in each["spec"]["egress"]:
            assert rule["ports"]
            assert rule["to"], each["metadata"]["name"]
    outside = [each["metadata"]["name"] for each in policies if "0.0.0.0/0" in json.dumps(each)]
    assert outside == ["gopherwood-outside"]


@every_environment
def test_environment_says_only_what_differs(name: str) -> None:
    """A folder has a file for each chart at most, a lock, and nothing else."""
    others = {"airflow.yaml", "logging.yaml", "monitoring.yaml"}
    allowed = {*others, *(f"{chart}.yaml" for chart in CHARTS), "release.lock"}
    assert {path.name for path in (VALUES / name).iterdir()} <= allowed
    assert (VALUES / name / "release.lock").exists()
