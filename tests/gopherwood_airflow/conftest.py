"""Fixtures for pods: a cluster is configured, and none is there unless a test starts one."""

from pathlib import Path
from typing import Any

import pytest

from podspec import IMAGE, KUBECONFIG, manifest


@pytest.fixture
def pod_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that makes a ClusterPod with a cluster configured."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    monkeypatch.setenv("GOPHERWOOD_POD_IMAGE", IMAGE)
    monkeypatch.setenv("GOPHERWOOD_POD_CONFIG", "settings")
    monkeypatch.setenv("GOPHERWOOD_POD_SECRET", "secrets")
    from gopherwood_airflow.cluster import ClusterPod

    defaults = {"task_id": "on_it", "arguments": ["smoke"], "config_file": str(kubeconfig)}
    return lambda **kwargs: ClusterPod(**(defaults | kwargs))


@pytest.fixture
def spec(pod_of: Any) -> dict[str, Any]:
    """Return the pod of a task, as Kubernetes is sent it."""
    return manifest(pod_of())
