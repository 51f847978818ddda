"""A Kubernetes API server with what tests put into it: pods, nodes and events; over a socket, without a cluster.

It answers what the operator of pods asks once a pod was started: the pod, a patch or the end of it, nodes by label,
and events. `forbidden` names kinds that nobody may list.
"""

import json
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
        elif kind == "pods" and name in self.api.pods:
            self._answer(200, self.api.pods[name])
        else:
            self._answer(404, {"kind": "Status", "message": f"{name} is not here"})

    do_PATCH = do_GET  # noqa: N815

    def do_DELETE(self) -> None:
        self.api.deleted.append(self.path.rpartition("/")[2])
        self._answer(200, {"kind": "Status"})

    def _answer(self, code: int, body: dict[str, Any]) -> None:
        if length := int(self.headers.get("Content-Length") or 0):
            self.rfile.read(length)
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


def _selects(query: str, node: dict[str, Any]) -> bool:
    selector = parse_qs(query).get("labelSelector", [""])[0]
    key, _, value = selector.partition("=")
    return key in node["metadata"]["labels"] and (not value or node["metadata"]["labels"][key] == value)
