"""What tests of pods share: a configuration that leads nowhere, and a task's pod as Kubernetes is sent it."""

from typing import Any

IMAGE = f"localhost/gopherwood@sha256:{'0' * 64}"
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
"""


def manifest(pod: Any, context: Any = None) -> dict[str, Any]:
    """Return a task's pod as plain values, with Kubernetes' own names."""
    from kubernetes.client import ApiClient

    from gopherwood_airflow import node_pools

    assert node_pools
    request = pod.build_pod_request_obj(context)
    return ApiClient().sanitize_for_serialization(request)  # type: ignore[no-any-return]
