"""The charts on a real cluster, with the real images by digest: install, upgrade under load, roll back, uninstall."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import airflow_alone
import podspec
from chart.render import CHARTS, VALUES
from cluster import asking
from cluster.asking import Load, ended, start
from cluster.kube import NAMESPACE, Cluster
from cluster.outside import Outside
from fakes.site import Site

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]
MODULE, VERSION = "example.com/on/cluster", "v1.0.0"
PATHS = [f"/{MODULE}/@v/{what}" for what in ("list", f"{VERSION}.info", f"{VERSION}.mod", f"{VERSION}.zip")]
STARTS = """
import importlib.util, json, pathlib, resource, statistics, subprocess, time
seconds, codes = [], set()
for _ in range(9):
    begun = time.monotonic()
    codes.add(subprocess.run(["gopherwood", "--help"], stdout=subprocess.DEVNULL).returncode)
    seconds.append(time.monotonic() - begun)
cached = importlib.util.find_spec("gopherwood.cli").cached
used = resource.getrusage(resource.RUSAGE_CHILDREN)
report = {"codes": list(codes), "median": statistics.median(seconds), "cpu": (used.ru_utime + used.ru_stime) / 9}
print(json.dumps(report | {"compiled": pathlib.Path(cached).exists()}))
"""


@dataclass
class Helm:
    """helm in our namespace, with the lock of the images that are on the nodes."""

    cluster: Cluster
    lock: Path
    serving: list[str] = field(default_factory=list)
    """Further arguments for the serving chart."""

    def __call__(self, *arguments: str | Path) -> str:
        """Run helm and return what it prints; CalledProcessError has what it said."""
        command = ["helm", "--namespace", NAMESPACE, *arguments]
        done = subprocess.run(command, env=self.cluster.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def upgrade(self, release: str, chart: str, *more: str, wait: str = "240s") -> str:
        """Install or upgrade a chart as docs/kubernetes.md does, with the values of the environment `ci`."""
        values = ["--values", VALUES / "ci" / f"{chart}.yaml", "--values", self.lock]
        more = (*self.serving, *more) if chart == "serving" else more
        return self("upgrade", "--install", release, CHARTS[chart], *values, *more, "--wait", "--timeout", wait)


@pytest.fixture(scope="module")
def site(cluster: Cluster, outside: Outside) -> Iterator[Site]:
    """Make a store in a folder that all nodes see, and its catalog in a PostgreSQL that pods reach."""
    folder = Path(tempfile.mkdtemp(prefix="gopherwood-", dir="/var/tmp"))
    folder.chmod(0o755)
    url = outside.database.url(migrated=False)
    made = Site.new(folder, GOPHERWOOD_CATALOG=url)
    made.publish(MODULE, VERSION)
    for name in ("gopherwood-serving", "gopherwood-tasks"):
        cluster.secret(name, {"GOPHERWOOD_CATALOG": outside.inside(url)})
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def helm(cluster: Cluster, site: Site, release_lock: Path) -> Helm:
    """Return helm with the images that are on the nodes."""
    return Helm(cluster, release_lock)


@pytest.fixture(scope="module")
def serving(helm: Helm, site: Site) -> Helm:
    """Install the serving chart over the store."""
    helm.serving = ["--set", f"store.volume.hostPath={site.settings.home}"]
    notes = helm.upgrade("gopherwood-serving", "serving")
    assert "GOPROXY=http://gopherwood-serving.gopherwood-tests,off" in notes
    return helm


@pytest.fixture
def go(serving: Helm, tmp_path: Path) -> Callable[..., str]:
    """Give the `go` command of this machine, its GOPROXY forwarded to the Service."""
    return lambda *arguments: asking.go(serving.cluster, tmp_path, *arguments, GONOSUMDB="*")


def pods(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Return the web pods that are there, by name."""
    listed = cluster.get("pods", "-l", "app.kubernetes.io/component=web")
    found = [each for each in listed if "deletionTimestamp" not in each["metadata"]]
    return {each["metadata"]["name"]: each for each in found}


def gone(cluster: Cluster, names: Iterable[str]) -> None:
    """Wait till pods that end have ended."""
    cluster.kubectl("wait", "--for=delete", *(f"pod/{name}" for name in names), "--timeout=120s")


def test_command_line_answers_in_a_locked_pod(cluster: Cluster) -> None:
    """`gopherwood --help` needs no writable place; how long it takes, and a pod that does nothing else, is printed."""
    begun = time.monotonic()
    start(cluster, "nothing", ["gopherwood", "--version"])
    ended(cluster, "nothing")
    print("a pod from its creation to its seen end: seconds", time.monotonic() - begun)
    start(cluster, "starts", ["python3", "-c", STARTS])
    found = json.loads(ended(cluster, "starts"))
    assert found["codes"] == [0]
    assert found["compiled"]


def test_go_downloads_from_the_service(go: Callable[..., str]) -> None:
    """The list, the latest version and the zip reach `go` by way of Service, nginx and app."""
    assert json.loads(go("mod", "download", "-json", f"{MODULE}@latest"))["Version"] == VERSION
    assert go("list", "-m", "-versions", MODULE).split() == [MODULE, VERSION]


def test_images_are_those_of_the_lock(serving: Helm) -> None:
    """Pods run by digest, on the pool that is said, as nobody in particular."""
    nodes = {each["metadata"]["name"]: each["metadata"]["labels"]["node-pool"] for each in serving.cluster.get("nodes")}
    # An installation begins with one, and the autoscaler makes it two: helm waits for the first alone.
    serving.cluster.kubectl("wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment", "--all", "--timeout=120s")
    for pod in pods(serving.cluster).values():
        assert nodes[pod["spec"]["nodeName"]] == "default-pool"
        assert all("@sha256:" in each["image"] for each in pod["spec"]["containers"])
        assert all(each["ready"] for each in pod["status"]["containerStatuses"])


def test_upgrade_under_load_loses_no_request(serving: Helm) -> None:
    """All pods are replaced while a client asks forty times a second, and every request is answered with 200."""
    before = pods(serving.cluster)
    load = Load(serving.cluster, "load-upgrade", PATHS)
    serving.upgrade("gopherwood-serving", "serving", "--set", "settings.serving_memory=134217728")
    gone(serving.cluster, before)
    assert not set(before) & set(pods(serving.cluster))
    report = load.report()
    assert report["failures"] == {}
    assert report["requests"] > 400


def test_rollback_under_load_loses_no_request(serving: Helm) -> None:
    """`helm rollback` brings the old settings back, as quietly."""
    before = pods(serving.cluster)
    load = Load(serving.cluster, "load-rollback", PATHS)
    serving("rollback", "gopherwood-serving", "1", "--wait", "--timeout", "240s")
    gone(serving.cluster, before)
    (settings,) = serving.cluster.get("configmap", "--field-selector=metadata.name=gopherwood-serving")
    assert settings["data"]["GOPHERWOOD_SERVING_MEMORY"] == "268435456"
    assert load.report()["failures"] == {}


def test_failing_upgrade_goes_back_by_itself(serving: Helm) -> None:
    """A release that never gets ready is rolled back by `--atomic`; the pods of before go on."""
    before, tiny = pods(serving.cluster), "resources.limits.memory=16Mi,resources.requests.memory=16Mi"
    with pytest.raises(AssertionError, match="rolled back"):
        serving.upgrade("gopherwood-serving", "serving", "--set", tiny, "--atomic", wait="25s")
    assert set(before) <= set(pods(serving.cluster))


@pytest.fixture(scope="module")
def tasks(helm: Helm, outside: Outside) -> Helm:
    """Install the tasks' chart over the volume of serving."""
    upstream = f"settings.upstream={outside.inside(outside.upstream.url)}"
    sums = ("--set-string", f"settings.sumdb={outside.log.vkey}", "--set-string", upstream)
    helm.upgrade("gopherwood", "tasks", "--set", "pods.claim=gopherwood-serving-store", *sums)
    return helm


def test_task_pod_publishes_into_the_volume_that_serving_reads(
    serving: Helm, tasks: Helm, site: Site, outside: Outside, go: Callable[..., str], pod_of: Callable[..., Any]
) -> None:
    """ReadWriteMany in place of a bucket: what a pod of ours ingests, `go` downloads a moment later."""
    mv = outside.add("example.com/on/volume", "v1.0.0")
    for path in (site.settings.home, *site.settings.home.rglob("*")):
        os.chown(path, 65532, 65532)
    (config,) = tasks.cluster.get("configmap", "--field-selector=metadata.name=gopherwood-pods")
    tasks.cluster.apply(pod_of(config["data"], task_id="ingest", arguments=["ingest", str(mv)]))
    (pod,) = tasks.cluster.get("pods", "-l", "app=gopherwood-task")
    ended(tasks.cluster, pod["metadata"]["name"])
    assert json.loads(go("mod", "download", "-json", str(mv)))["Sum"] == outside.sums[mv][0]


@pytest.fixture
def pod_of(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Callable[..., Any]:
    """Return a function that makes the manifest of a TaskPod, by the settings that the chart gives Airflow."""
    assert airflow_alone

    def make(config: dict[str, str], **task: Any) -> Any:
        for variable, text in config.items():
            monkeypatch.setenv(variable, text)
        from gopherwood_airflow.cluster import ClusterPod

        return podspec.manifest(ClusterPod(**task, config_file=cluster.kubeconfig))

    return make


def test_tasks_chart_gives_airflow_what_it_needs_and_no_more(tasks: Helm) -> None:
    """Each pool took its pod; Airflow's accounts may start pods here, and see no secret."""
    helm = tasks
    settings = json.loads(helm.cluster.kubectl("get", "configmap", "gopherwood-pods", "-o", "json"))["data"]
    assert settings["GOPHERWOOD_POD_IMAGE"] == helm.cluster.image
    account = f"--as=system:serviceaccount:{NAMESPACE}:airflow-scheduler"

    def may(verb: str, what: str, part: str = "") -> bool:
        command = ["kubectl", "-n", NAMESPACE, "auth", "can-i", verb, what, f"--subresource={part}", account]
        return subprocess.run(command, env=helm.cluster.env, capture_output=True).returncode == 0

    assert may("create", "pods")
    assert may("get", "pods", "log")
    assert not may("get", "secrets")
    assert not may("create", "pods", "exec")
    assert not may("get", "nodes")


def test_missing_node_pool_stops_an_upgrade(helm: Helm) -> None:
    """A pool that no node belongs to fails the upgrade by name, instead of leaving tasks to wait for ever."""
    with pytest.raises(AssertionError, match=r"failed|timed out|deadline"):
        helm.upgrade("gopherwood", "tasks", "--set", "nodePools={default-pool,no-such-pool},poolCheck.seconds=15")
    assert "gopherwood-pool-no-such-pool" in helm.cluster.kubectl("get", "jobs", "-o", "name")


def test_uninstall_keeps_the_store(serving: Helm) -> None:
    """Afterwards there is no pod of ours, and the claim of the store is still bound."""
    serving("uninstall", "gopherwood-serving", "--wait", "--timeout", "120s")
    assert serving.cluster.get("deployments") == []
    (claim,) = serving.cluster.get("pvc")
    assert claim["status"]["phase"] == "Bound"
