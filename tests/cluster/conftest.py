"""The fixtures: a cluster, its images, what is outside of it, and the platform as its handbook installs it.

All of them are made once, on first use, and shared by all tests of the session. Tests of the platform come last: its
Airflow, once there, is one more that wants the processor.
"""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from cluster import handbook
from cluster.airflow_run import Runs
from cluster.images import load, lock
from cluster.kube import NAMESPACE, RECIPE, Cluster, make
from cluster.outside import Outside
from cluster.platform import Platform


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of the platform come last."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.parent == here and "platform" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where images are built."""
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="session")
def cluster(archives: Path) -> Iterator[Cluster]:
    """Return the cluster; one that was made for the tests is taken down after them."""
    ours = not os.environ.get("KUBECONFIG")
    if ours and not (RECIPE / "up").exists():
        pytest.skip("no cluster: set KUBECONFIG (and GOPHERWOOD_TEST_IMAGE)")
    if not ours and not os.environ.get("GOPHERWOOD_TEST_IMAGE"):
        pytest.skip("KUBECONFIG is set: GOPHERWOOD_TEST_IMAGE must name a tasks' image that its nodes can get")
    kubeconfig = make() if ours else os.environ["KUBECONFIG"]
    try:
        image = load("tasks", archives) if ours else os.environ["GOPHERWOOD_TEST_IMAGE"]
        made = Cluster(kubeconfig, image, ours)
        made.kubectl("create", "namespace", NAMESPACE)
        yield made
        made.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    finally:
        if ours:
            subprocess.run([RECIPE / "down"], check=True, capture_output=True)


@pytest.fixture(scope="session")
def runs(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Run the DAGs of tests/cluster/dags."""
    return Runs(cluster, tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="session")
def outside(cluster: Cluster) -> Iterator[Outside]:
    """Return servers of this machine that pods reach."""
    if not cluster.ours:
        pytest.skip("these tests need a folder and servers of this machine in reach of pods")
    made = Outside()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def images(cluster: Cluster, outside: Outside, archives: Path) -> dict[str, str]:
    """Put the images on the nodes that the platform is made of; return each by its digest."""
    names = ("data", "airflow", "serving", "vcs", "deploy", "proxy")
    with ThreadPoolExecutor(2) as threads:
        return {"tasks": cluster.image} | dict(zip(names, threads.map(load, names, repeat(archives)), strict=True))


@pytest.fixture(scope="session")
def release_lock(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pin the images as a release does."""
    return lock(images, tmp_path_factory.mktemp("lock") / "release.lock")


@pytest.fixture(scope="session")
def platform(
    cluster: Cluster, outside: Outside, release_lock: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Install the platform by the commands of its handbook, and stay in touch with its Airflow."""
    made = handbook.install(cluster, outside, release_lock, tmp_path_factory.mktemp("handbook"))
    yield from made.connected()
