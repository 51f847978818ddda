"""The node pools of the cluster, declared once: DAGs name them, pods are placed by them, charts and docs are compared.

A node belongs to a pool by its label `node-pool=NAME`; a pool that wants nobody else carries a taint of the same key
and value. Without a cluster a pool's name is only written into the task's log.

    python -m gopherwood_airflow.node_pools

prints them as JSON, with the hints that a cluster's autoscaler needs to grow a pool from nothing. It needs no Airflow.
"""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

LABEL = "node-pool"
"""Label of a node, and key of its taint, that says which pool it is of."""


@dataclass(frozen=True, slots=True)
class Taint:
    """What keeps pods off a node that do not tolerate it."""

    key: str
    value: str
    effect: str = "NoSchedule"


@dataclass(frozen=True, slots=True)
class NodePool:
    """A group of like machines."""

    name: str
    purpose: str
    machine: str = ""
    """A hint for who makes the pool: what a node should offer."""
    scale_to_zero: bool = False
    """Whether it may have no node at all: then a pod is what makes it grow, and finding none is no error."""
    provider_taints: tuple[Taint, ...] = ()
    """Taints that a provider of machines puts on such nodes by itself; pods for the pool tolerate them."""

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its nodes."""
        return {LABEL: self.name}

    @property
    def taint(self) -> Taint:
        """The taint that its nodes may carry to keep others off."""
        return Taint(LABEL, self.name)

    def declared(self) -> dict[str, Any]:
        """Return it as plain values, with the node-template hints that the cluster autoscaler reads on a group."""
        template = "k8s.io/cluster-autoscaler/node-template"
        hints = {
            f"{template}/label/{LABEL}": self.name,
            f"{template}/taint/{LABEL}": f"{self.taint.value}:{self.taint.effect}",
        }
        return asdict(self) | {"labels": self.labels, "taint": asdict(self.taint), "autoscaler_hints": hints}


SPOT = (
    Taint("cloud.google.com/gke-spot", "true"),
    Taint("cloud.google.com/gke-preemptible", "true"),
    Taint("kubernetes.azure.com/scalesetpriority", "spot"),
)
"""What providers taint machines with that may vanish."""

DEFAULT = NodePool(
    "default-pool",
    "machines that stay: commands that are short, or that must not be interrupted",
    machine="2 cores, 8 GiB; at least 2 nodes, in different zones",
)
PREEMPTIBLE = NodePool(
    "pvm-pool",
    "machines that may vanish: commands that lease their work and so lose nothing",
    machine="4 cores, 16 GiB, spot or preemptible",
    scale_to_zero=True,
    provider_taints=SPOT,
)

POOLS = (DEFAULT, PREEMPTIBLE)
"""All pools; `smoke` visits each."""

if __name__ == "__main__":
    json.dump([pool.declared() for pool in POOLS], sys.stdout, indent=2)
    sys.stdout.write("\n")
