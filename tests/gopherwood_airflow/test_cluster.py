"""The pod: what its manifest says. What a cluster makes of it is in tests/cluster."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

import airflow_alone

assert airflow_alone
pytestmark = pytest.mark.xdist_group("airflow")


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
"""


@pytest.fixture
def pod_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that makes a ClusterPod with a cluster configured."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    monkeypatch.setenv("GOPHERWOOD_POD_IMAGE", "localhost/gopherwood:1")
    monkeypatch.setenv("GOPHERWOOD_POD_CONFIG", "settings")
    monkeypatch.setenv("GOPHERWOOD_POD_SECRET", "secrets")
    from gopherwood_airflow.cluster import ClusterPod

    defaults = {"task_id": "on_it", "arguments": ["smoke"], "config_file": str(kubeconfig)}
    return lambda **kwargs: ClusterPod(**(defaults | kwargs))


@pytest.fixture
def spec(pod_of: Any) -> dict[str, Any]:
    """Return the pod of a task, as Kubernetes is sent it."""
    return manifest(pod_of())


def manifest(pod: Any) -> dict[str, Any]:
    """Return a task's pod as plain values, with Kubernetes' own names."""
    from kubernetes.client import ApiClient

    from gopherwood_airflow import node_pools

    assert node_pools
    request = pod.build_pod_request_obj(None)
    return ApiClient().sanitize_for_serialization(request)  # type: ignore[no-any-return]


def test_command_is_that_of_the_image(spec: dict[str, Any]) -> None:
    """The container runs `gopherwood` with the task's arguments from the configured image."""
    container = spec["spec"]["containers"][0]
    assert (container["image"], container["command"], container["args"]) == (
        "localhost/gopherwood:1",
        ["gopherwood"],
        ["smoke"],
    )


def test_pod_is_bound_to_its_node_pool(pod_of: Any) -> None:
    """Node affinity to the pool is required, and the pool's taint tolerated."""
    from gopherwood_airflow.node_pools import PREEMPTIBLE

    spec = manifest(pod_of(node_pool=PREEMPTIBLE))["spec"]
    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "node-pool", "operator": "In", "values": ["pvm-pool"]}]}
    ]
    assert spec["tolerations"] == [
        {"key": "node-pool", "operator": "Equal", "value": "pvm-pool", "effect": "NoSchedule"}
    ]


def test_resources_are_explicit(spec: dict[str, Any]) -> None:
    """Requests and limits of processor and memory are all there."""
    assert spec["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "800m", "memory": "1Gi"},
        "limits": {"cpu": "800m", "memory": "2Gi"},
    }


def test_pod_may_do_nothing_it_need_not(spec: dict[str, Any]) -> None:
    """Not root, no capability, no write but to /tmp, no token of the cluster, the default seccomp profile."""
    pod, container = spec["spec"], spec["spec"]["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_settings_come_by_name_only(spec: dict[str, Any]) -> None:
    """Settings and secrets are references: no value is in the manifest."""
    container = spec["spec"]["containers"][0]
    assert {"configMapRef": {"name": "settings"}} in container["envFrom"]
    assert {"secretRef": {"name": "secrets"}} in container["envFrom"]
    assert len(container["envFrom"]) == 2
    assert {variable["name"] for variable in container["env"]} == {"HOME", "TMPDIR"}


def test_labels_and_name(spec: dict[str, Any]) -> None:
    """A pod says what it is, and its name ends at random: two tries never share one."""
    assert (
        spec["metadata"]["labels"].items()
        >= {
            "app.kubernetes.io/name": "gopherwood",
            "app.kubernetes.io/component": "on_it",
        }.items()
    )
    assert spec["metadata"]["name"].startswith("gopherwood-on-it-")
    assert len(spec["metadata"]["name"]) > len("gopherwood-on-it-")


def test_result_needs_no_sidecar(pod_of: Any) -> None:
    """A result is handed over in the termination message, so the pod has one container."""
    containers = manifest(pod_of(result=True))["spec"]["containers"]
    assert len(containers) == 1
    assert {"name": "GOPHERWOOD_XCOM", "value": "/dev/termination-log"} in containers[0]["env"]


def ended_pod(code: int) -> dict[str, Any]:
    """Return a pod whose container has ended, as the API server tells it."""
    status = {
        "name": "base",
        "image": "",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": {"exitCode": code}},
    }
    return {
        "metadata": {"name": "pod", "namespace": "gopherwood", "labels": {}},
        "spec": {"containers": [{"name": "base"}]},
        "status": {"phase": "Failed", "containerStatuses": [status]},
    }


class ApiServer(BaseHTTPRequestHandler):
    """Knows one pod."""

    pod: ClassVar[dict[str, Any]]

    def do_GET(self) -> None:
        body = json.dumps(self.pod).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PATCH = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("code", "error"),
    [(99, AirflowSkipException), (2, AirflowFailException), (3, AirflowFailException), (1, AirflowException)],
)
def test_exit_codes_mean_the_same_as_without_a_cluster(pod_of: Any, code: int, error: type[Exception]) -> None:
    """A pod that ended with 99 is skipped, with 2 or 3 failed for good, with another code tried again."""
    ApiServer.pod = ended_pod(code)
    with ThreadingHTTPServer(("127.0.0.1", 0), ApiServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        task = pod_of(on_finish_action="keep_pod", log_events_on_failure=False)
        Path(task.config_file).write_text(KUBECONFIG.replace("127.0.0.1:1", f"127.0.0.1:{server.server_port}"))
        ended = task.client.read_namespaced_pod("pod", "gopherwood")
        with pytest.raises(error) as caught:
            task.cleanup(ended, ended)
        server.shutdown()
    assert type(caught.value) is error
