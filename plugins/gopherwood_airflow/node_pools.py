"""The node pools of the cluster, declared once: DAGs name them, pods are placed by them.

A node belongs to a pool by its label `node-pool=NAME`; a pool that wants nobody else carries a taint of the same key
and value. Without a cluster a pool's name is only written into the task's log.
"""

from dataclasses import dataclass

LABEL = "node-pool"
"""Label of a node, and key of its taint, that says which pool it is of."""


@dataclass(frozen=True, slots=True)
class NodePool:
    """A group of like machines."""

    name: str
    purpose: str


DEFAULT = NodePool("default-pool", "machines that stay: commands that are short, or that must not be interrupted")
PREEMPTIBLE = NodePool("pvm-pool", "machines that may vanish: commands that lease their work and so lose nothing")

POOLS = (DEFAULT, PREEMPTIBLE)
"""All pools; `smoke` visits each."""
