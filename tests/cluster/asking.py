"""Pods that do one thing for a test: run a command, or ask serving for a while as `go` would."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster.kube import Cluster

CLIENT = Path(__file__).with_name("load.py")


def start(cluster: Cluster, name: str, command: Sequence[str], *, image: str = "", **more: Any) -> None:
    """Start a pod of the tasks' image that may do as little as any other; `more` goes into its spec."""
    container = {
        "name": name,
        "image": image or cluster.image,
        "command": list(command),
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "containers": [container],
    } | more
    apply(cluster, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def apply(cluster: Cluster, pod: dict[str, Any]) -> None:
    """Start a pod."""
    command = ["kubectl", "-n", cluster.namespace, "apply", "-f", "-"]
    subprocess.run(command, input=json.dumps(pod), env=cluster.env, check=True, capture_output=True, text=True)


def ended(cluster: Cluster, name: str) -> str:
    """Wait for a pod to end well; return what it printed."""
    end = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
    cluster.kubectl("wait", end, f"pod/{name}", "--timeout=300s")
    (status,) = json.loads(cluster.kubectl("get", "pod", name, "-o", "json"))["status"]["containerStatuses"]
    printed = cluster.kubectl("logs", name)
    assert status["state"]["terminated"]["exitCode"] == 0, printed
    print(name, printed)
    return printed


class Load:
    """Requests from a pod of its own, for a while; `report` waits for its end."""

    def __init__(self, cluster: Cluster, name: str, seconds: int, paths: Sequence[str], *, rate: int = 40) -> None:
        self.cluster, self.name = cluster, name
        arguments = ["gopherwood-serving", "80", str(seconds), str(rate), *paths]
        command = ["python3", "-c", CLIENT.read_text(), *arguments]
        start(cluster, name, command, nodeSelector={"node-pool": "default-pool"})
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")

    def report(self) -> dict[str, Any]:
        """Return what the client printed at its end."""
        printed: dict[str, Any] = json.loads(ended(self.cluster, self.name))
        return printed
