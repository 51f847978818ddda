"""A Kubernetes API server with what tests put into it: pods, nodes and events; over a socket, without a cluster.

It answers what the operator of pods asks once a pod was started: the pod, a patch or the end of it, nodes by label,
and events. `forbidden` names kinds that nobody may list. And it answers what an experiment asks: pods by label, an
eviction (429 when a budget allows none), a deletion with its preconditions, budgets, ConfigMaps, a cordoned node.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml


class KubeApi:
    """The server; use it as a context manager."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.nodes: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.forbidden: set[str] = set()
        self.deleted: list[str] = []
        self.evicted: list[str] = []
        self.budgets: list[dict[str, Any]] = []
        self.config_maps: set[str] = set()
        self.before_get: Callable[[str], None] = lambda _name: None
        """Called with the name of a pod that is asked for, before it is answered."""
        self.reborn = False
        """Whether a pod that went is followed by another, ready at once."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def kubeconfig(self) -> str:
        """The text of a configuration that leads here."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
                "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}],
                "users": [{"name": "nobody", "user": {}}],
            }
        )

    def add_replica(self, name: str, *, uid: str = "", node: str = "n1", age: float = 3600.0, **labels: str) -> None:
        """Add a running pod of a Deployment; an underscore in a label's name is a dash."""
        named = {key.replace("_", "-"): value for key, value in labels.items()}
        begun = (datetime.now(UTC) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
        about = {"name": name, "uid": uid or f"uid-{name}", "namespace": "gopherwood", "labels": named}
        ready = [{"type": "Ready", "status": "True"}]
        status = {"phase": "Running", "startTime": begun, "conditions": ready}
        self.pods[name] = {"metadata": about, "spec": {"nodeName": node}, "status": status}

    def gone(self, name: str) -> None:
        """Take a pod away; make its heir, if pods have any."""
        pod = self.pods.pop(name)
        if self.reborn:
            self.add_replica(f"{name}x", age=0.0, **pod["metadata"]["labels"])

    def add_budget(self, allowed: int, **labels: str) -> None:
        """Add a disruption budget."""
        spec = {"selector": {"matchLabels": labels}}
        self.budgets.append({"spec": spec, "status": {"disruptionsAllowed": allowed}})

    def add_node(self, name: str, **labels: str) -> None:
        """Add a node; an underscore in a label's name is a dash."""
        named = {key.replace("_", "-"): value for key, value in labels.items()}
        self.nodes.append({"metadata": {"name": name, "labels": named}})

    def add_pod(self, **status: Any) -> None:
        """Add the pod named `pod`, of size normal, with a status."""
        limits = {"limits": {"memory": "2Gi"}}
        self.pods["pod"] = {
            "metadata": {"name": "pod", "namespace": "gopherwood", "labels": {"size": "normal"}},
            "spec": {"containers": [{"name": "base", "resources": limits}]},
            "status": {"phase": "Failed"} | status,
        }


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    """Return the part of a pod's status that says how its container ended."""
    state = {"terminated": {"exitCode": code, "reason": reason}}
    status = {"name": "base", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    return {"containerStatuses": [status]}


class _Handler(BaseHTTPRequestHandler):
    api: KubeApi

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        *_, kind, name = ("", *url.path.split("/"))
        if name in self.api.forbidden:
            self._answer(403, {"kind": "Status", "message": f"{name} is forbidden"})
        elif name == "nodes":
            self._answer(200, {"items": [node for node in self.api.nodes if _selects(url.query, node)]})
        elif name == "events":
            self._answer(200, {"items": self.api.events})
        elif name == "pods":
            self._answer(200, {"items": [pod for pod in self.api.pods.values() if _selects(url.query, pod)]})
        elif name == "poddisruptionbudgets":
            self._answer(200, {"items": self.api.budgets})
        elif kind == "configmaps" and name in self.api.config_maps:
            self._answer(200, {"metadata": {"name": name}})
        elif kind == "pods" and name in self.api.pods:
            self.api.before_get(name)
            self._answer(200, self.api.pods[name])
        else:
            self._answer(404, {"kind": "Status", "message": f"{name} is not here"})

    def do_PATCH(self) -> None:
        *_, kind, name = ("", *urlsplit(self.path).path.split("/"))
        if kind != "nodes":
            self.do_GET()
        elif "cordon" in self.api.forbidden:
            self._answer(403, {"kind": "Status", "message": "nodes is forbidden"})
        else:
            (node,) = [each for each in self.api.nodes if each["metadata"]["name"] == name]
            node.setdefault("spec", {}).update(self._body()["spec"])
            self._answer(200, node)

    def do_POST(self) -> None:
        *_, name, what = ("", *urlsplit(self.path).path.split("/"))
        body = self._body()
        if what == "configmaps":
            self.api.config_maps.add(body["metadata"]["name"])
            self._answer(201, body)
            return
        budgets = [each["status"] for each in self.api.budgets]
        if any(each["disruptionsAllowed"] < 1 for each in budgets):
            says = "Cannot evict pod as it would violate the pod's disruption budget."
            self._answer(429, {"kind": "Status", "message": says})
            return
        self.api.evicted.append(name)
        self.api.gone(name)
        self._answer(201, {"kind": "Status"})

    def do_DELETE(self) -> None:
        *_, kind, name = ("", *urlsplit(self.path).path.split("/"))
        wanted = (self._body().get("preconditions") or {}).get("uid")
        if kind == "configmaps":
            there = name in self.api.config_maps
            self.api.config_maps.discard(name)
            self._answer(200 if there else 404, {"kind": "Status", "message": f"{name} is not here"})
            return
        if wanted and self.api.pods.get(name, {}).get("metadata", {}).get("uid") != wanted:
            self._answer(404, {"kind": "Status", "message": f"{name} is not here"})
            return
        self.api.deleted.append(name)
        if wanted:
            self.api.gone(name)
        self._answer(200, {"kind": "Status"})

    def _body(self) -> dict[str, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        self._read = True
        found: dict[str, Any] = json.loads(self.rfile.read(length) or b"{}") if length else {}
        return found

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length and not getattr(self, "_read", False):
            self.rfile.read(length)
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


def _selects(query: str, thing: dict[str, Any]) -> bool:
    labels = thing["metadata"].get("labels", {})
    for each in filter(None, parse_qs(query).get("labelSelector", [""])[0].split(",")):
        key, _, value = each.partition("=")
        if key not in labels or (value and labels[key] != value):
            return False
    return True
