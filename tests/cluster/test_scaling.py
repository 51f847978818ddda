"""Scaling on a real cluster: serving by its load, up and down; standing workers drain a queue though one is killed."""

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chart.render import CHARTS, VALUES
from cluster.asking import Load
from cluster.handbook import KEYS
from cluster.kube import Cluster
from cluster.outside import Outside
from cluster.platform import kill
from gopherwood.catalog import Catalog
from gopherwood.states import State

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]
T = TypeVar("T")
NAMESPACE = "gopherwood-scaling"
COUNT = 60
GRACE = 30


@dataclass
class Place:
    """A namespace with charts over a catalog and a bucket of its own."""

    cluster: Cluster
    outside: Outside
    lock: Path
    catalog: Catalog
    bucket: str

    def install(self, release: str, chart: str, *values: str) -> None:
        """Install or upgrade a chart with the values of the environment `ci`, and these."""
        files = ["--values", VALUES / "ci" / f"{chart}.yaml", "--values", self.lock]
        sets = [argument for value in values for argument in ("--set-string" if "://" in value else "--set", value)]
        command = ["helm", "-n", NAMESPACE, "upgrade", "--install", release, CHARTS[chart], *files, *sets]
        done = subprocess.run(
            [*command, "--wait", "--timeout", "240s"], env=self.cluster.env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def pods(self, component: str) -> dict[str, dict[str, Any]]:
        """Return the pods of a component that are to stay, by name."""
        selector = f"app.kubernetes.io/component={component}"
        listed = self.cluster.get("pods", "-l", selector)
        return {each["metadata"]["name"]: each for each in listed if "deletionTimestamp" not in each["metadata"]}

    def wait(self, until: Callable[[], T], seconds: float) -> T:
        """Wait till something holds, and return it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := until():
                return found
            time.sleep(0.5)
        raise AssertionError(f"not within {seconds} s: {self.cluster.kubectl('get', 'pods,hpa', '-o', 'wide')}")


@pytest.fixture(scope="module")
def place(cluster: Cluster, outside: Outside, release_lock: Path) -> Iterator[Place]:
    """Make the namespace and its Secrets."""
    within = cluster.within(NAMESPACE)
    cluster.kubectl("create", "namespace", NAMESPACE)
    url = outside.database.url()
    secret = KEYS | {"GOPHERWOOD_CATALOG": outside.inside(url)}
    for name in ("gopherwood-serving", "gopherwood-tasks"):
        within.secret(name, secret)
    with Catalog.open(url) as catalog:
        yield Place(within, outside, release_lock, catalog, outside.objects.bucket("").rstrip("/"))
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def workers(place: Place) -> Place:
    """Install two standing workers, whose leases end soon."""
    outside = place.outside
    place.install(
        "gopherwood",
        "tasks",
        "poolCheck.enabled=false",
        "workers.enabled=true,workers.replicas=2",
        "workers.resources.requests.cpu=100m,workers.resources.requests.memory=128Mi",
        "settings.batch=5,settings.lease_seconds=8",
        f"settings.store={place.bucket}/store",
        f"settings.staging={place.bucket}/staging",
        f"settings.s3_endpoint={outside.inside(outside.objects.endpoint)}",
        f"settings.upstream={outside.inside(outside.upstream.url)}",
        f"settings.sumdb={outside.log.vkey}",
    )
    return place


def test_standing_workers_lose_nothing_when_one_is_killed(workers: Place) -> None:
    """One of two is killed with versions in its hands: all are published, each once; what it held was fetched again."""
    outside, catalog = workers.outside, workers.catalog
    mvs = [outside.add(f"example.com/stand{n % 5}", f"v1.{n}.0") for n in range(COUNT)]
    pods = workers.pods("work")
    assert len(pods) == 2
    key = outside.upstream.key(mvs[30].path, mvs[30].version, ".zip")
    with outside.held(key) as gate:
        catalog.enqueue(mvs, source="test")
        assert gate.arrived.wait(60)
        row = catalog.state_of(mvs[30])
        assert row is not None
        (victim,) = (name for name in pods if name in str(row.owner))
        kill(pods[victim])
    begun = time.monotonic()
    workers.wait(lambda: catalog.counts()[State.PUBLISHED] == COUNT, 90)
    print("seconds from the kill to the last publish", time.monotonic() - begun)
    assert catalog.counter("published") == COUNT
    assert catalog.counter("expired-leases") > 0
    assert Counter(each.mv for each in catalog.ledger_entries(0, 1_000)) == Counter(mvs)
    fetched = [outside.upstream.requests[outside.upstream.key(mv.path, mv.version, ".zip")] for mv in mvs]
    assert sum(fetched) <= COUNT + 10  # at most what the dead one held: two batches of five
    restarts = {
        name: pod["status"]["containerStatuses"][0]["restartCount"] for name, pod in workers.pods("work").items()
    }
    assert restarts[victim] > 0


def test_workers_that_are_taken_away_give_back_what_they_hold(workers: Place) -> None:
    """Scaled to none in the middle of a download: no lease is left, no try is counted, and the pods end in time."""
    outside, catalog = workers.outside, workers.catalog
    mv = outside.add("example.com/slow", "v1.0.0")
    with outside.held(outside.upstream.key(mv.path, mv.version, ".zip")) as gate:
        catalog.enqueue([mv], source="test")
        assert gate.arrived.wait(60)
        begun = time.monotonic()
        workers.cluster.kubectl("scale", "deployment/gopherwood-work", "--replicas=0")
        workers.cluster.kubectl(
            "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=work", "--timeout=60s"
        )
        assert time.monotonic() - begun < GRACE
    row = catalog.state_of(mv)
    assert row is not None
    assert (row.state, row.owner, row.failures) == (State.QUEUED, None, 0)


def replicas(place: Place) -> int:
    """Return how many pods of serving the autoscaler asks for."""
    (deployment,) = (each for each in place.cluster.get("deployments") if "serving" in each["metadata"]["name"])
    return int(deployment["spec"]["replicas"])


def test_serving_follows_its_load_up_and_down(place: Place) -> None:
    """One pod when it is quiet, more under load, one again a while after it; and no request is lost."""
    place.install(
        "gopherwood-serving",
        "serving",
        f"store.url={place.bucket}/store",
        f"settings.s3_endpoint={place.outside.inside(place.outside.objects.endpoint)}",
        "nodePool=pvm-pool,proxy.enabled=false,resources.requests.cpu=20m,resources.requests.memory=128Mi",
        "autoscaling.enabled=true,autoscaling.minReplicas=1,autoscaling.maxReplicas=3,autoscaling.cpuPercent=100",
        "autoscaling.scaleDownSeconds=15,autoscaling.scaleDownPeriod=5",
    )

    def quiet() -> bool:
        (scaler,) = place.cluster.get("hpa")
        seen = [each.get("resource", {}).get("current", {}) for each in scaler["status"].get("currentMetrics") or []]
        used = [each["averageUtilization"] for each in seen if "averageUtilization" in each]
        return replicas(place) == 1 and bool(used) and used[0] < 80

    place.wait(quiet, 120)
    begun = time.monotonic()
    asking = Load(place.cluster, "load", ["/"], rate=60)
    place.wait(lambda: replicas(place) > 1, 180)
    print("seconds from the first request to more pods", time.monotonic() - begun)
    assert asking.report()["failures"] == {}
    begun = time.monotonic()
    place.wait(lambda: replicas(place) == 1, 240)
    print("seconds from the last request to one pod", time.monotonic() - begun)
