"""What a task's pod may use: a ladder of sizes, the smallest first, so that "the next larger one" means something.

A pod that was killed for memory is tried again one step up (cluster.py). Requests are what a node must have free,
limits what the pod is stopped at: the processor is only throttled, memory kills. All four are explicit, so that a pod
has the same class of service on every cluster, whatever that one's defaults.
"""

import re
from dataclasses import dataclass

_UNITS = {"Mi": 1, "Gi": 1024}


@dataclass(frozen=True, slots=True)
class Size:
    """Resources of a pod, in Kubernetes' units; memory in `Mi` or `Gi`."""

    name: str
    cpu: str
    memory: str
    cpu_limit: str
    memory_limit: str


SMALL = Size("small", cpu="100m", memory="256Mi", cpu_limit="800m", memory_limit="512Mi")
"""A command that mostly waits or only asks the catalog. Its limit is no smaller: starting Python takes a core."""
NORMAL = Size("normal", cpu="800m", memory="1Gi", cpu_limit="800m", memory_limit="2Gi")
"""A command at work: one core less what the node needs for itself, so that pods fill nodes evenly."""
LARGE = Size("large", cpu="800m", memory="2Gi", cpu_limit="1600m", memory_limit="4Gi")
"""A command that was killed for memory once: half of a common node."""
HUGE = Size("huge", cpu="1600m", memory="6Gi", cpu_limit="1600m", memory_limit="8Gi")
"""The end of the ladder. What does not fit here is a leak, or needs a node pool of its own."""

LADDER = (SMALL, NORMAL, LARGE, HUGE)


def named(name: object) -> Size | None:
    """Return the size of this name; None when the ladder has none."""
    return next((size for size in LADDER if size.name == name), None)


def larger(size: Size) -> Size | None:
    """Return the next size up by the limit of memory; None at the end of the ladder."""
    return next((each for each in LADDER if mebibytes(each.memory_limit) > mebibytes(size.memory_limit)), None)


def mebibytes(quantity: str) -> int:
    """Return a quantity of memory in MiB; raises ValueError for another form than `512Mi` or `2Gi`."""
    match = re.fullmatch(r"(\d+)(Mi|Gi)", quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is no memory: write it in Mi or Gi, e.g. 512Mi")
    return int(match[1]) * _UNITS[match[2]]
