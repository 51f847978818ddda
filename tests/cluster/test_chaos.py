"""An experiment on the real cluster: one of two serving pods is evicted, under load."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster.platform import NAMESPACE, Platform
from gopherwood.chaos import experiment as experiments

pytestmark = pytest.mark.cluster


@pytest.fixture
def willing(platform: Platform) -> Platform:
    """Return the platform with two serving pods that have opted in."""
    platform.kubectl("scale", "deployment/gopherwood-serving", "--replicas=2")
    platform.kubectl("rollout", "status", "deployment/gopherwood-serving", "--timeout=180s")
    platform.kubectl("label", "pods", "-l", "app=gopherwood-serving", "gopherwood/chaos=true", "--overwrite")
    return platform


def chaos(platform: Platform, folder: Path, name: str, **guard: Any) -> dict[str, Any]:
    """Run an experiment from this machine, with the cluster's catalog and store; return its report."""
    said = json.loads(experiments.shipped()[name].read_text())
    said["extensions"][0]["guard"] |= {"minimum_age_seconds": 1} | guard
    file = folder / f"{name}.json"
    file.write_text(json.dumps(said))
    settings = platform.settings
    own = {"HOME": str(folder / "home"), "CATALOG": settings.catalog_url, "STORE": settings.store_url}
    own |= {"STAGING": settings.staging_url, "S3_ENDPOINT": settings.s3_endpoint, "POD_NAMESPACE": NAMESPACE}
    environ = os.environ | platform.cluster.env | {f"GOPHERWOOD_{key}": text for key, text in own.items() if text}
    with platform.cluster.forwarded("gopherwood-serving") as address:
        command = [sys.executable, "-m", "gopherwood", "chaos", str(file), "--execute", "--serving", address]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=400)
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    report: dict[str, Any] = json.loads((folder / "home/reports/chaos" / result["run"] / "report.json").read_text())
    return report


def test_one_of_two_serving_pods_goes(willing: Platform, tmp_path: Path) -> None:
    """The pod is replaced, and every invariant of the store holds on every byte.

    What clients see is seen through a port-forward, which is tied to one of the pods: it is not judged here.
    """
    before = set(willing.serving())
    report = chaos(willing, tmp_path, "serving-pod-evicted")
    (victim,) = report["victims"]
    assert victim["name"] in before
    willing.wait(lambda: len(willing.serving()) == 2 and victim["name"] not in willing.serving(), 180)
    assert [each["holds"] for each in report["invariants"]] == [True] * 8
    assert report["ready_seconds"] is not None
