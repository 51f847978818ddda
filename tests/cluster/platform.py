"""The platform as docs/kubernetes.md installs it, and the questions that tests ask it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cluster import asking
from cluster.kube import Cluster
from cluster.outside import Outside
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.objects import Objects
from gopherwood.store import open_store

T = TypeVar("T")
NAMESPACE = "gopherwood"
PASSWORDS = "/tmp/airflow/simple_auth_manager_passwords.json.generated"
IN_POD = ("exec", "deployment/gopherwood-airflow", "-c", "api-server", "--")


@dataclass
class Platform:
    """An installation; `printed` is what the page's commands said."""

    cluster: Cluster
    """The cluster, for work in the platform's namespace."""
    outside: Outside
    settings: Settings
    printed: str
    named: frozenset[str] = frozenset()
    """What the page's reader set for himself."""
    airflow: str = ""
    """Address of Airflow, forwarded."""
    token: str = ""
    nodes: dict[str, str] = field(default_factory=dict)
    """Pool of each node."""

    def connected(self) -> Iterator["Platform"]:
        """Forward Airflow for as long as the generator lives, and log in."""
        listed = self.cluster.get("nodes")
        self.nodes = {each["metadata"]["name"]: each["metadata"]["labels"]["node-pool"] for each in listed}
        with self.cluster.forwarded("gopherwood-airflow") as self.airflow:
            password = json.loads(self.kubectl(*IN_POD, "cat", PASSWORDS))["admin"]
            self.token = self.api("POST", "/auth/token", {"username": "admin", "password": password})["access_token"]
            yield self

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the platform's namespace and return what it prints."""
        return self.cluster.kubectl(*arguments)

    def may(self, verb: str, what: str, *flags: str) -> bool:
        """Say whether an account (`--as=...`) may do something in the namespace (`--subresource=...`)."""
        command = ["kubectl", "-n", NAMESPACE, "auth", "can-i", verb, what, *flags]
        return subprocess.run(command, env=self.cluster.env, capture_output=True).returncode == 0

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask Airflow."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.airflow + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def unpause(self, *dags: str) -> None:
        """Let runs of DAGs begin."""
        for dag in dags:
            self.api("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})

    def trigger(self, dag: str, **body: Any) -> str:
        """Start a run and return its id."""
        return str(self.api("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None} | body)["dag_run_id"])

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG."""
        found: list[dict[str, Any]] = self.api("GET", f"/api/v2/dags/{dag}/dagRuns?limit=100")["dag_runs"]
        return found

    def ended(self, dag: str, run: str, seconds: float = 480) -> dict[tuple[str, int], tuple[str, int]]:
        """Wait for a run; return state and number of tries of each task, by its name and map index."""

        def over() -> bool:
            return self.api("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"] in ("success", "failed")

        self.wait(over, seconds, lambda: str(self.tasks(dag, run)))
        return self.tasks(dag, run)

    def tasks(self, dag: str, run: str) -> dict[tuple[str, int], tuple[str, int]]:
        """Return state and number of tries of each task of a run."""
        listed = self.api("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?limit=200")["task_instances"]
        return {(each["task_id"], each["map_index"]): (each["state"], each["try_number"]) for each in listed}

    def log(self, dag: str, run: str, task: str, attempt: int = 1, index: int = -1) -> str:
        """Return the log of a try of a task, what an exception says included."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}?map_index={index}"
        content = self.api("GET", path)["content"]
        return "\n".join(json.dumps(each) if isinstance(each, dict) else str(each) for each in content)

    def landed(self) -> list[tuple[str, str]]:
        """Return where task pods ran, also those that are gone: the task, as a pod is called by it, and the pool."""
        events = self.cluster.get("events", "--field-selector=reason=Scheduled")
        said = [re.search(r"/gopherwood-([a-z0-9-]+)-[a-z0-9]{8} to (\S+)", each["message"]) for each in events]
        return [(match[1], self.nodes[match[2]]) for match in said if match]

    def pod(self, task: str, attempt: int = 1) -> dict[str, Any]:
        """Wait for the pod of a task that is at work; return it."""
        selector = f"task_id={task},try_number={attempt}"

        def running() -> dict[str, Any] | None:
            listed = self.cluster.get("pods", "-l", selector)
            return next((each for each in listed if each["status"]["phase"] == "Running"), None)

        return self.wait(running, 180)

    def serving(self) -> dict[str, str]:
        """Return the serving pods that are to stay: name and node of each."""
        listed = self.cluster.get("pods", "-l", "app=gopherwood-serving")
        stay = [each for each in listed if "deletionTimestamp" not in each["metadata"]]
        return {each["metadata"]["name"]: each["spec"].get("nodeName", "") for each in stay}

    def helm(self, *arguments: str | Path) -> str:
        """Run helm in the platform's namespace."""
        command = ["helm", "-n", NAMESPACE, *arguments]
        return subprocess.run(command, env=self.cluster.env, check=True, capture_output=True, text=True).stdout

    def wait(self, until: Callable[[], T | None], seconds: float, says: Callable[[], str] = str) -> T:
        """Wait till something holds, and return it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := until():
                    return found
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.5)
        raise AssertionError(f"not within {seconds} s: {says()}")

    @property
    def catalog(self) -> Catalog:
        """The platform's catalog."""
        return Catalog.open(self.settings)

    @property
    def store(self) -> Objects:
        """The platform's store."""
        return open_store(self.settings)

    def go(self, folder: Path, *arguments: str) -> str:
        """Run `go` with the platform as its GOPROXY, verified by the upstream's checksum database."""
        return asking.go(self.cluster, folder, *arguments, GOSUMDB=self.outside.log.vkey)


def kill(pod: dict[str, Any]) -> None:
    """Send SIGKILL to the command in a pod, from outside of it: inside, the first process is safe from that."""
    uid = pod["metadata"]["uid"]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            first = re.search(r"^NSpid:.*\t1$", (process / "status").read_text(), re.MULTILINE)
            if (
                first
                and uid in (process / "cgroup").read_text()
                and b"gopherwood" in (process / "cmdline").read_bytes()
            ):
                os.kill(int(process.name), signal.SIGKILL)
                return
    raise AssertionError(f"no command of pod {pod['metadata']['name']} on this machine")
