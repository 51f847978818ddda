"""The fixture `cluster`; see kube.py for what it is made of."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.kube import HOME, NAMESPACE, RECIPE, Cluster, make
from gopherwood_images import making
from gopherwood_images.recipes import RECIPES


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
        image = load("tasks", tmp_path_factory.mktemp("images")) if ours else os.environ["GOPHERWOOD_TEST_IMAGE"]
        made = Cluster(kubeconfig, image)
        made.kubectl("create", "namespace", NAMESPACE)
        yield made
        made.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    finally:
        if ours:
            subprocess.run([RECIPE / "down"], check=True, capture_output=True)


def load(name: str, folder: Path) -> str:
    """Build an image, put it on every node, and return its name by digest."""
    recipe = RECIPES[name]
    pinned = making.make(recipe, str(HOME / "images" / f"{recipe.base}.tar"), folder, tag="test")
    subprocess.run([RECIPE / "load", folder / f"{recipe.image}.tar"], check=True)
    return f"{pinned['repository']}@{pinned['digest']}"
