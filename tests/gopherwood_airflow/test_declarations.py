"""What is declared once for all pods: settings, sizes and node pools; none of it needs Airflow or Kubernetes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gopherwood_airflow import node_pools, sizes
from gopherwood_airflow.settings import Cluster, SettingError

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "0" * 64


def test_image_has_a_digest() -> None:
    """A tag alone is refused with what to write, unless a setting for development allows it."""
    with pytest.raises(SettingError, match=r"REPOSITORY@sha256:.*GOPHERWOOD_POD_ALLOW_TAGS=true"):
        Cluster.from_env({"GOPHERWOOD_POD_IMAGE": "registry.example/tasks:1"})
    with pytest.raises(SettingError, match="names no image"):
        Cluster.from_env({})
    image = f"registry.example/tasks:1@{DIGEST}"
    assert Cluster.from_env({"GOPHERWOOD_POD_IMAGE": image}).image == image
    tagged = {"GOPHERWOOD_POD_IMAGE": "tasks:1", "GOPHERWOOD_POD_ALLOW_TAGS": "True"}
    assert Cluster.from_env(tagged).image == "tasks:1"


def test_ladder_of_sizes_rises() -> None:
    """Each size has more memory than the one before, requests no more than it may use, and leads to the next."""
    assert [sizes.larger(size) for size in sizes.LADDER] == [*sizes.LADDER[1:], None]
    limits = [sizes.mebibytes(size.memory_limit) for size in sizes.LADDER]
    assert limits == sorted(set(limits))
    assert all(sizes.mebibytes(size.memory) <= sizes.mebibytes(size.memory_limit) for size in sizes.LADDER)
    own = sizes.Size("own", "1", "1Gi", "1", "3Gi")
    assert sizes.larger(own) == sizes.LARGE


def test_node_pools_are_printed_without_airflow() -> None:
    """What makes the pools of a cluster gets them as JSON, with the labels, taints and hints to grow from nothing."""
    command = [sys.executable, "-m", "gopherwood_airflow.node_pools"]
    env = os.environ | {"PYTHONPATH": str(ROOT / "plugins")}
    program = "import sys, gopherwood_airflow.node_pools; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], env=env).returncode == 0
    printed = json.loads(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)
    assert [pool["name"] for pool in printed] == [pool.name for pool in node_pools.ALL]
    assert printed == json.loads((ROOT / "tasks/chart/files/node-pools.json").read_text()), "make golden"
    preemptible = printed[1]
    assert preemptible["scale_to_zero"] is True
    assert preemptible["labels"] == {"node-pool": "pvm-pool"}
    assert preemptible["autoscaler_hints"] == {
        "k8s.io/cluster-autoscaler/node-template/label/node-pool": "pvm-pool",
        "k8s.io/cluster-autoscaler/node-template/taint/node-pool": "pvm-pool:NoSchedule",
        "k8s.io/cluster-autoscaler/node-template/resources/ephemeral-storage": "100Gi",
    }
    assert (preemptible["least"], printed[0]["least"]) == (0, 2)


def test_handbook_has_every_pool() -> None:
    """The table of the handbook says of each pool what is declared."""
    text = (ROOT / "docs/airflow.md").read_text()
    for pool in node_pools.ALL:
        row = f"| `{pool.name}` | {pool.machine} | {'yes' if pool.scale_to_zero else 'no'} | {pool.purpose} |"
        assert row in text
