"""The cluster that the tests run on: the one KUBECONFIG names, else one made for them where its recipe is at hand.

On a cluster of your own, `GOPHERWOOD_TEST_IMAGE` names a tasks' image that its nodes can get (`make images` builds it);
its nodes need the label `node-pool` with the pools of node_pools.py.
"""

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gopherwood_images.recipes import ROOT

RECIPE = ROOT.parent / "shared" / "kube"
HOME = Path(os.environ.get("KUBE_HOME", Path.home() / ".cache" / "kube-for-tests"))
NAMESPACE = "gopherwood-tests"


@dataclass(frozen=True)
class Cluster:
    """A cluster with the tasks' image on its nodes, and a namespace for us."""

    kubeconfig: str
    image: str
    ours: bool = False
    """Whether it was made for these tests, on this machine."""
    namespace: str = NAMESPACE
    """Where kubectl works."""

    def within(self, namespace: str) -> "Cluster":
        """Return the same cluster for work in another namespace."""
        return replace(self, namespace=namespace)

    @property
    def env(self) -> dict[str, str]:
        """What programs need in their environment to reach it."""
        return os.environ | {"KUBECONFIG": self.kubeconfig, "PATH": f"{HOME / 'bin'}:{os.environ['PATH']}"}

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the namespace and return what it prints."""
        command = ["kubectl", "-n", self.namespace, *arguments]
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True).stdout

    def get(self, kind: str, *flags: str) -> list[dict[str, Any]]:
        """Return all objects of a kind, or those that flags of kubectl choose."""
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, *flags, "-o", "json"))["items"]
        return items

    def apply(self, *objects: dict[str, Any]) -> None:
        """Make objects in the namespace, or make them so."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        command = ["kubectl", "-n", self.namespace, "apply", "-f", "-"]
        subprocess.run(command, env=self.env, input=listed, check=True, capture_output=True, text=True)

    @contextlib.contextmanager
    def forwarded(self, service: str) -> Iterator[str]:
        """Give the address of a Service on this machine."""
        command = ["kubectl", "-n", self.namespace, "port-forward", f"service/{service}", ":http"]
        forward = subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, text=True)
        assert forward.stdout is not None
        match = re.search(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())
        assert match
        try:
            yield f"http://127.0.0.1:{match[1]}"
        finally:
            forward.terminate()
            forward.wait()

    def secret(self, name: str, values: Mapping[str, str]) -> None:
        """Make a Secret, or make it so."""
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(values)})


def make() -> str:
    """Bring a cluster up and return the path of its kubeconfig."""
    if not (HOME / "bin" / "kubeall").exists():
        subprocess.run([RECIPE / "setup"], check=True)
    done = subprocess.run([RECIPE / "up"], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()
