"""The fixture `cluster`; see kube.py for what it is made of."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from cluster import image
from cluster.kube import HOME, IMAGE, NAMESPACE, RECIPE, Cluster, make


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return the cluster; one that was made for the tests is taken down after them."""
    ours = not os.environ.get("KUBECONFIG")
    if ours and not (RECIPE / "up").exists():
        pytest.skip("no cluster: set KUBECONFIG (and GOPHERWOOD_TEST_IMAGE)")
    if not ours and not os.environ.get("GOPHERWOOD_TEST_IMAGE"):
        pytest.skip("KUBECONFIG is set: GOPHERWOOD_TEST_IMAGE must name a tasks' image that its nodes can get")
    kubeconfig = make() if ours else os.environ["KUBECONFIG"]
    try:
        made = Cluster(kubeconfig, os.environ.get("GOPHERWOOD_TEST_IMAGE", IMAGE))
        if ours:
            archive = tmp_path_factory.mktemp("image") / "gopherwood.tar"
            image.build(HOME / "images" / "python.tar", archive, IMAGE)
            subprocess.run([RECIPE / "load", archive], check=True)
        made.kubectl("create", "namespace", NAMESPACE)
        yield made
        made.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    finally:
        if ours:
            subprocess.run([RECIPE / "down"], check=True, capture_output=True)
