"""The node pools of the cluster, declared once: DAGs name them, pods are placed by them, charts and docs are compared.

A node belongs to a pool by its label `node-pool=NAME`; a pool that wants nobody else carries a taint of the same key
and value. Without a cluster a pool's name is only written into the task's log.

    python -m gopherwood_airflow.node_pools

prints them as JSON, with the hints that a cluster's autoscaler needs to grow a pool from nothing. It needs no Airflow.
The tasks' chart has it as a file, and takes from it what pods tolerate (`make golden` writes that).
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
    least: int = 1
    """Nodes that an autoscaler leaves at least. None: a pod is what makes it grow, and finding no node is no error."""
    most: int = 8
    """Nodes that an autoscaler makes at most."""
    disk: str = "50Gi"
    """Disk for pods' files on a node: an autoscaler cannot know it of a pool that has no node to look at."""
    provider_taints: tuple[Taint, ...] = ()
    """Taints that a provider of machines puts on such nodes by itself; pods for the pool tolerate them."""

    @property
    def scale_to_zero(self) -> bool:
        """Whether it may have no node at all."""
        return not self.least

    @property
    def labels(self) -> dict[str, str]:
        """Labels of its nodes."""
        return {LABEL: self.name}

    @property
    def taint(self) -> Taint:
        """The taint that its nodes may carry to keep others off."""
        return Taint(LABEL, self.name)

    def declared(self) -> dict[str, Any]:
        """Return it as plain values, with the node-template hints that the cluster autoscaler reads on a group.

        Provider taints are no hints: the provider of a pool that has them tells the autoscaler itself.
        """
        template = "k8s.io/cluster-autoscaler/node-template"
        hints = {
            f"{template}/label/{LABEL}": self.name,
            f"{template}/taint/{LABEL}": f"{self.taint.value}:{self.taint.effect}",
            f"{template}/resources/ephemeral-storage": self.disk,
        }
        also = {"labels": self.labels, "taint": asdict(self.taint), "scale_to_zero": self.scale_to_zero}
        return asdict(self) | also | {"autoscaler_hints": hints}


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
    least=2,
)
PREEMPTIBLE = NodePool(
    "pvm-pool",
    "machines that may vanish: commands that lease their work and so lose nothing",
    machine="4 cores, 16 GiB, spot or preemptible",
    least=0,
    disk="100Gi",
    provider_taints=SPOT,
)

TESTS = NodePool(
    "test-pool",
    "machines of load tests and chaos experiments, never those of serving: a generator needs cores of its own",
    machine="4 cores, 8 GiB",
    least=0,
    most=2,
)

POOLS = (DEFAULT, PREEMPTIBLE)
"""The pools that every cluster has; `smoke` visits each, and an upgrade waits for each."""
ALL = (*POOLS, TESTS)
"""All pools; one that is not in POOLS is made where somebody wants what runs there."""

if __name__ == "__main__":
    json.dump([pool.declared() for pool in ALL], sys.stdout, indent=2)
    sys.stdout.write("\n")
