"""Who asks the platform for a test: a pod that runs a command, one that asks serving like `go`, and `go` itself."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster.kube import Cluster
from gopherwood import toolchain

CLIENT = Path(__file__).with_name("load.py")
END = "import os; os.kill(1, 15)"
TMP: Mapping[str, dict[str, Any]] = {"/tmp": {"emptyDir": {}}}


def start(
    cluster: Cluster,
    name: str,
    command: Sequence[str],
    *,
    image: str = "",
    mounts: Mapping[str, dict[str, Any]] = TMP,
    env: Mapping[str, str] | None = None,
    secret: str = "",
    **more: Any,
) -> None:
    """Start a pod of the tasks' image, or another, that may do as little as any other.

    `mounts` are sources of volumes by their paths; each key of the Secret is a variable; `more` goes into the spec.
    """
    places = list(mounts.items())
    container = {
        "name": name,
        "image": image or cluster.image,
        "command": list(command),
        "env": [{"name": key, "value": text} for key, text in (env or {}).items()],
        "envFrom": [{"secretRef": {"name": secret}}] if secret else [],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
        "volumeMounts": [{"name": f"at-{n}", "mountPath": path} for n, (path, _) in enumerate(places)],
    }
    spec = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "volumes": [{"name": f"at-{n}"} | source for n, (_, source) in enumerate(places)],
        "containers": [container],
    } | more
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def ended(cluster: Cluster, name: str, code: int = 0) -> str:
    """Wait for a pod to end with an exit code; return what it printed."""
    end = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
    cluster.kubectl("wait", end, f"pod/{name}", "--timeout=300s")
    (status,) = json.loads(cluster.kubectl("get", "pod", name, "-o", "json"))["status"]["containerStatuses"]
    printed = cluster.kubectl("logs", name)
    print(name, printed)
    assert status["state"]["terminated"]["exitCode"] == code, printed
    return printed


def go(cluster: Cluster, folder: Path, *arguments: str, **environ: str) -> str:
    """Run the `go` command of this machine with serving in the namespace as its GOPROXY; return what it prints."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("GO")}
    own |= {"GOPATH": str(folder), "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"}
    with cluster.forwarded("gopherwood-serving") as address:
        own |= {"GOPROXY": f"{address},off", **environ}
        command = [toolchain.find_go(), *arguments]
        done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Load:
    """Requests from a pod of its own, till `report` is asked for."""

    def __init__(self, cluster: Cluster, name: str, paths: Sequence[str], *, rate: int = 40) -> None:
        self.cluster, self.name = cluster, name
        command = ["python3", "-c", CLIENT.read_text(), "gopherwood-serving", "80", str(rate), *paths]
        start(cluster, name, command, nodeSelector={"node-pool": "default-pool"})
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")

    def report(self) -> dict[str, Any]:
        """End it; return what became of its requests."""
        self.cluster.kubectl("exec", self.name, "--", "python3", "-c", END)
        printed: dict[str, Any] = json.loads(ended(self.cluster, self.name))
        return printed
