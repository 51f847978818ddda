"""Whether a node pool is there, asked before a pod is made for it: a pod without a node waits in silence.

A pool that may shrink to nothing may have no node now; that is said, and the pod is what makes it grow. Whoever starts
pods may lack the right to list nodes (a ClusterRole, which not every operator gives): then nothing is checked.
"""

from typing import Any

from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException, CoreV1Api

from gopherwood_airflow.node_pools import LABEL, NodePool

FORBIDDEN = (401, 403)


def check(pool: NodePool, client: CoreV1Api, log: Any, patience: int) -> None:
    """Raise AirflowException when no node is of the pool and none will come; `patience` is in seconds, for the log."""
    try:
        if client.list_node(label_selector=f"{LABEL}={pool.name}", limit=1).items:
            return
        there = sorted({str(node.metadata.labels[LABEL]) for node in client.list_node(label_selector=LABEL).items})
    except ApiException as error:
        if error.status not in FORBIDDEN:
            raise
        log.info("node pool %s is not checked: no right to list nodes (see docs/airflow.md)", pool.name)
        return
    pools = ", ".join(there) or "none: no node has this label"
    if pool.scale_to_zero:
        log.warning(
            "node pool %s has no node now; it may grow, and the pod waits up to %s s (pools with nodes: %s)",
            *(pool.name, patience, pools),
        )
        return
    raise AirflowException(
        f"node pool {pool.name} does not exist: no node has the label {LABEL}={pool.name}. Pools that exist: {pools}. "
        f"Label its nodes (kubectl label node NAME {LABEL}={pool.name}), or let the task name another pool"
    )
