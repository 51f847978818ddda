"""The charts on a real cluster, with the real images by digest: install, upgrade under load, roll back, uninstall."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chart.render import CHARTS, VALUES
from cluster.conftest import load
from cluster.kube import NAMESPACE, RECIPE, Cluster
from fakes.postgres import Server
from fakes.site import Site
from gopherwood import toolchain

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]
MODULE, VERSION = "example.com/on/cluster", "v1.0.0"
LOAD = Path(__file__).with_name("load.py")
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
def site(cluster: Cluster) -> Iterator[Site]:
    """Make a store in a folder that all nodes see, and its catalog in a PostgreSQL that pods reach."""
    if os.environ.get("KUBECONFIG") != cluster.kubeconfig and not RECIPE.exists():
        pytest.skip("these tests need a folder and a database of this machine in reach of pods")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = Server(port)
    subprocess.run([RECIPE / "expose", str(port)], check=True)
    folder = Path(tempfile.mkdtemp(prefix="gopherwood-", dir="/var/tmp"))
    folder.chmod(0o755)
    url = database.url(migrated=False)
    made = Site.new(folder, GOPHERWOOD_CATALOG=url)
    made.publish(MODULE, VERSION)
    inside = re.sub(r"@/(\w+)\?.*", rf"@host.kp.local:{port}/\1", url)
    cluster.kubectl("create", "secret", "generic", "gopherwood-serving", f"--from-literal=GOPHERWOOD_CATALOG={inside}")
    cluster.kubectl("create", "secret", "generic", "gopherwood-tasks", f"--from-literal=GOPHERWOOD_CATALOG={inside}")
    yield made
    made.stop()
    database.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def helm(cluster: Cluster, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Put the images on the nodes, and pin them as a release does."""
    folder = tmp_path_factory.mktemp("images")
    references = {"tasks": cluster.image} | {name: load(name, folder) for name in ("serving", "proxy")}
    images = {
        name: dict(zip(("repository", "digest"), reference.split("@"), strict=True))
        for name, reference in references.items()
    }
    lock = folder / "release.lock"
    lock.write_text(json.dumps({"images": images, "release": {"commit": "0" * 40, "charts": {"serving": "0.1.0"}}}))
    return Helm(cluster, lock)


@pytest.fixture(scope="module")
def serving(helm: Helm, site: Site) -> Helm:
    """Install the serving chart over the store."""
    helm.serving = ["--set", f"store.volume.hostPath={site.settings.home}"]
    notes = helm.upgrade("gopherwood-serving", "serving")
    assert "GOPROXY=http://gopherwood-serving.gopherwood-tests,off" in notes
    return helm


@pytest.fixture
def go(serving: Helm, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Give the `go` command of this machine, its GOPROXY forwarded to the Service."""
    command = ["kubectl", "-n", NAMESPACE, "port-forward", "service/gopherwood-serving", ":http"]
    forward = subprocess.Popen(command, env=serving.cluster.env, stdout=subprocess.PIPE, text=True)
    assert forward.stdout is not None
    match = re.search(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())
    assert match
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    environ |= {"GOPROXY": f"http://127.0.0.1:{match[1]},off", "GONOSUMDB": "*", "GOPATH": str(tmp_path)}
    environ |= {"GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [toolchain.find_go(), *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    forward.terminate()
    forward.wait()


def pods(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Return the web pods that are there, by name."""
    listed = cluster.kubectl("get", "pods", "-l", "app.kubernetes.io/component=web", "-o", "json")
    found = [each for each in json.loads(listed)["items"] if "deletionTimestamp" not in each["metadata"]]
    return {each["metadata"]["name"]: each for each in found}


def start(cluster: Cluster, name: str, command: list[str]) -> None:
    """Start a pod of the tasks' image that may do as little as any other."""
    container = {
        "name": name,
        "image": cluster.image,
        "command": command,
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
        "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
    }
    spec = {"restartPolicy": "Never", "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    apply = ["kubectl", "-n", NAMESPACE, "apply", "-f", "-"]
    subprocess.run(apply, input=json.dumps(pod), env=cluster.env, check=True, capture_output=True, text=True)


def ended(cluster: Cluster, name: str) -> dict[str, Any]:
    """Wait for a pod to succeed; return the JSON that it printed."""
    cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=300s")
    printed: dict[str, Any] = json.loads(cluster.kubectl("logs", name))
    print(name, printed)
    return printed


class Load:
    """Requests from a pod of its own, for a while; `report` waits for its end."""

    def __init__(self, cluster: Cluster, name: str, seconds: int, rate: int = 40) -> None:
        self.cluster, self.name = cluster, name
        paths = [f"/{MODULE}/@v/{what}" for what in ("list", f"{VERSION}.info", f"{VERSION}.mod", f"{VERSION}.zip")]
        arguments = ["gopherwood-serving", "80", str(seconds), str(rate), *paths]
        start(cluster, name, ["python3", "-c", LOAD.read_text(), *arguments])
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")

    def report(self) -> dict[str, Any]:
        """Return what the client printed at its end."""
        return ended(self.cluster, self.name)


def test_command_line_answers_in_a_locked_pod(cluster: Cluster) -> None:
    """`gopherwood --help` needs no writable place; how long it takes is printed (seconds, and of a core)."""
    start(cluster, "starts", ["python3", "-c", STARTS])
    found = ended(cluster, "starts")
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
    asking = Load(serving.cluster, "load-upgrade", 75)
    serving.upgrade("gopherwood-serving", "serving", "--set", "settings.serving_memory=134217728")
    after = pods(serving.cluster)
    assert not set(before) & set(after)
    report = asking.report()
    assert report["failures"] == {}
    assert report["requests"] == 75 * 40


def test_rollback_under_load_loses_no_request(serving: Helm) -> None:
    """`helm rollback` brings the old settings back, as quietly."""
    asking = Load(serving.cluster, "load-rollback", 75)
    serving("rollback", "gopherwood-serving", "1", "--wait", "--timeout", "240s")
    settings = json.loads(serving.cluster.kubectl("get", "configmap", "gopherwood-serving", "-o", "json"))["data"]
    assert settings["GOPHERWOOD_SERVING_MEMORY"] == "268435456"
    assert asking.report()["failures"] == {}


def test_failing_upgrade_goes_back_by_itself(serving: Helm) -> None:
    """A release that never gets ready is rolled back by `--atomic`; the pods of before go on."""
    before, tiny = pods(serving.cluster), "resources.limits.memory=16Mi,resources.requests.memory=16Mi"
    with pytest.raises(AssertionError, match="rolled back"):
        serving.upgrade("gopherwood-serving", "serving", "--set", tiny, "--atomic", wait="25s")
    assert set(before) <= set(pods(serving.cluster))


def test_autoscaler_sees_the_load(serving: Helm) -> None:
    """The HorizontalPodAutoscaler has its metric from the cluster."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        (found,) = serving.cluster.get("hpa")
        conditions = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", [])}
        if conditions.get("ScalingActive") == "True":
            return
        time.sleep(2)
    raise AssertionError(conditions)


def test_tasks_chart_gives_airflow_what_it_needs_and_no_more(helm: Helm) -> None:
    """Each pool took its pod; Airflow's accounts may start pods here, and see no secret."""
    helm.upgrade("gopherwood", "tasks")
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
