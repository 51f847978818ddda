"""How a pod came to its end, told apart: for its memory, with its node, by somebody's SIGKILL, or by itself.

A task that only says "failed" sends a person to look at the command. These ends have nothing to do with it, and each
asks for something else. The authority is Kubernetes' API: `reason` and exit code of a terminated container, `reason` of
the pod's status, and the condition DisruptionTarget (KEP-3329), whose reasons are named below.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

CONTAINER = "base"
"""The provider's name of the one container."""
SIGKILLED = 128 + 9

DISRUPTIONS = {
    "PreemptionByScheduler": "preempted: a pod of higher priority took its place",
    "DeletionByTaintManager": "evicted: its node was tainted, because it was lost or is to go",
    "EvictionByEvictionAPI": "evicted: its node is drained, or was taken away by the autoscaler",
    "DeletionByPodGC": "lost: its node is gone",
    "TerminationByKubelet": "evicted by its node, which shuts down or is short of something",
}
EVENTS = {
    "Preempted": DISRUPTIONS["PreemptionByScheduler"],
    "TaintManagerEviction": DISRUPTIONS["DeletionByTaintManager"],
    "Evicted": DISRUPTIONS["TerminationByKubelet"],
    "NodeNotReady": DISRUPTIONS["DeletionByTaintManager"],
}
"""What events still tell of a pod that is there no more."""


class Cause(Enum):
    """Why a pod ended that did not end by itself."""

    MEMORY = "memory"
    DISRUPTED = "disrupted"
    KILLED = "killed"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class Ending:
    """What befell a pod, in words for the task's log."""

    cause: Cause
    says: str


def ending(pod: Any) -> Ending | None:
    """Return what befell a pod (a V1Pod as last seen); None when its command ended by itself, or has not ended.

    A disruption comes before memory: a node short of memory kills for it too, and the pod is not to blame.
    """
    status = pod.status
    if status is None:
        return None
    targets = [each for each in status.conditions or [] if each.type == "DisruptionTarget" and each.status == "True"]
    if targets:
        reason = targets[0].reason or ""
        return _disrupted(DISRUPTIONS.get(reason, f"evicted ({reason})"), targets[0].message or status.message)
    if (status.reason or "") in {"Evicted", "Preempting", "Shutdown", "Terminated", "NodeLost", "NodeShutdown"}:
        return _disrupted(f"evicted ({status.reason})", status.message)
    end = terminated(pod)
    if end is not None and end.reason == "OOMKilled":
        return Ending(Cause.MEMORY, f"the container was killed for memory: limit {_memory_limit(pod)}")
    if end is not None and end.exit_code == SIGKILLED:
        return Ending(
            Cause.KILLED,
            "the container was killed by SIGKILL (exit code 137), and not for its limit of memory"
            f" ({_memory_limit(pod)}): its node ran out of memory, it did not end in its grace, or a person did it",
        )
    return None


def vanished(events: Iterable[Any]) -> Ending:
    """Return what befell a pod that is not there any more, as far as its events tell."""
    for event in events:
        if event.reason in EVENTS:
            return _disrupted(EVENTS[event.reason], event.message)
    return Ending(
        Cause.VANISHED,
        "the pod is gone, and its end was not seen: its node was drained, or somebody deleted it."
        " Lost nothing: what it had leased is worked on again",
    )


def terminated(pod: Any) -> Any:
    """Return the end of a pod's container (a V1ContainerStateTerminated); None when it has not ended or never began."""
    for status in (pod.status and pod.status.container_statuses) or []:
        if status.name == CONTAINER and status.state and status.state.terminated:
            return status.state.terminated
    return None


def _disrupted(how: str, message: str | None) -> Ending:
    told = f" ({' '.join(message.split())})" if message else ""
    return Ending(Cause.DISRUPTED, f"the pod was {how}{told}. Lost nothing: what it had leased is worked on again")


def _memory_limit(pod: Any) -> str:
    for container in pod.spec.containers:
        if container.name == CONTAINER and container.resources and container.resources.limits:
            return str(container.resources.limits.get("memory", "none"))
    return "none"
