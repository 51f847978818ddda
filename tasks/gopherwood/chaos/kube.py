"""The few questions that an experiment asks of a Kubernetes API server, by its HTTP API and nothing else.

Inside of a pod the service account's token and certificate are used; elsewhere a kubeconfig (`KUBECONFIG`, else
`~/.kube/config`), whose current context counts: JSON, or YAML where PyYAML is installed. One namespace is spoken to,
that of the account or the context: nobody else's pods are ever named. Authority: kubernetes.io, "The Kubernetes API".
"""

import base64
import http.client
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from gopherwood.errors import ConfigError, OursError, StorageError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT = 20.0
"""Seconds that one question may take."""


class KubeError(StorageError):
    """The API server did not answer, or said what we did not expect."""

    reason = "kubernetes"


class NotThereError(OursError):
    """There is no such object."""

    reason = "not-there"


class BudgetError(OursError):
    """An eviction was answered 429: a disruption budget does not allow it now."""

    reason = "budget"


class ForbiddenError(OursError):
    """Our account may not do that."""

    retry = False
    reason = "forbidden"


@dataclass(frozen=True, slots=True)
class Kube:
    """An API server, as seen by one account in one namespace."""

    server: str
    namespace: str
    token: str = ""
    tls: ssl.SSLContext | None = None

    @classmethod
    def here(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Return the cluster that we are in, or that the kubeconfig names. Raises ConfigError when there is none."""
        if "KUBERNETES_SERVICE_HOST" in environ and not environ.get("KUBECONFIG"):
            host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
            tls = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
            token, namespace = ((ACCOUNT / name).read_text().strip() for name in ("token", "namespace"))
            return cls(f"https://{host}:{port}", namespace, token, tls)
        file = Path(environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
        try:
            said = _parse(file.read_text())
        except OSError as error:
            hint = "run it in the cluster, or name a kubeconfig by KUBECONFIG"
            raise ConfigError(f"no cluster: {file}: {error.strerror}", hint=hint) from None
        return cls._from(said, environ.get("GOPHERWOOD_POD_NAMESPACE", ""), file)

    @classmethod
    def _from(cls, said: Mapping[str, Any], namespace: str, file: Path) -> Self:
        try:
            named = {
                kind: {each["name"]: each[kind.rstrip("s")] for each in said[kind]}
                for kind in ("contexts", "clusters", "users")
            }
            context = named["contexts"][said["current-context"]]
            cluster, user = named["clusters"][context["cluster"]], named["users"].get(context.get("user"), {}) or {}
            server = cluster["server"]
        except (KeyError, TypeError) as error:
            raise ConfigError(f"{file} is no kubeconfig with a current context: {error}") from None
        tls = _tls(cluster, user) if server.startswith("https") else None
        return cls(server, namespace or context.get("namespace") or "default", user.get("token", ""), tls)

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Ask one thing; return the answer's JSON.

        Raises NotThereError (404), BudgetError (429), ForbiddenError (401, 403), KubeError for all else.
        """
        url = urlsplit(self.server)
        host, port = url.hostname or "", url.port or (443 if self.tls else 80)
        way = (
            http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=self.tls)
            if self.tls
            else http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        )
        patch = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": patch}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        target = url.path.rstrip("/") + quote(path) + (f"?{urlencode(query)}" if query else "")
        try:
            way.request(method, target, None if body is None else json.dumps(body), headers)
            answer = way.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise KubeError(f"{self.server} does not answer: {error}") from error
        finally:
            way.close()
        return _answer(f"{method} {path}", status, text)

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Return the pods of our namespace with these labels."""
        said = self.ask("GET", f"/api/v1/namespaces/{self.namespace}/pods", labelSelector=selector)
        return list(said["items"])

    def pod(self, name: str) -> dict[str, Any]:
        """Return a pod of our namespace. Raises NotThereError."""
        said: dict[str, Any] = self.ask("GET", f"/api/v1/namespaces/{self.namespace}/pods/{quote(name, safe='')}")
        return said

    def budgets(self) -> list[dict[str, Any]]:
        """Return the disruption budgets of our namespace."""
        said = self.ask("GET", f"/apis/policy/v1/namespaces/{self.namespace}/poddisruptionbudgets")
        return list(said["items"])

    def evict(self, name: str, uid: str) -> None:
        """Ask for a pod to go, as a drain does: with its grace, and only if no budget is against it."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/eviction"
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": self.namespace}}
        self.ask("POST", path, body | {"deleteOptions": {"preconditions": {"uid": uid}}})

    def delete(self, name: str, uid: str, grace: int) -> None:
        """Delete a pod, if it is still the one of this uid; `grace` 0 is a kill, and no budget is asked."""
        body = {"gracePeriodSeconds": grace, "preconditions": {"uid": uid}}
        self.ask("DELETE", f"/api/v1/namespaces/{self.namespace}/pods/{name}", body)


def _answer(what: str, status: int, text: bytes) -> Any:
    try:
        said = json.loads(text or b"{}")
    except ValueError:
        said = {}
    if status < HTTPStatus.BAD_REQUEST:
        return said
    message = (said.get("message") if isinstance(said, dict) else "") or f"status {status}"
    kinds: dict[int, type[OursError]] = {401: ForbiddenError, 403: ForbiddenError, 404: NotThereError, 429: BudgetError}
    raise kinds.get(status, KubeError)(f"{what}: {message}")


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        import yaml
    except ModuleNotFoundError:
        raise ConfigError("a kubeconfig in YAML needs PyYAML", hint="install gopherwood[chaos]") from None
    return yaml.safe_load(text)


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = cluster.get("certificate-authority-data")
    data = base64.b64decode(authority).decode() if authority else None
    tls = ssl.create_default_context(cafile=cluster.get("certificate-authority"), cadata=data)
    pair = [_file(user, name) for name in ("client-certificate", "client-key")]
    with tempfile.TemporaryDirectory(prefix="gopherwood-chaos-") as folder:  # ssl reads its pair from files only
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        if all(pair):
            certificate.write_bytes(pair[0])
            key.write_bytes(pair[1])
            tls.load_cert_chain(certificate, key)
    return tls


def _file(user: Mapping[str, Any], name: str) -> bytes:
    if said := user.get(f"{name}-data"):
        return base64.b64decode(said)
    return Path(user[name]).read_bytes() if name in user else b""
