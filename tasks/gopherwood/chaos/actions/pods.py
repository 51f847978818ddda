"""Actions against pods of the platform on a cluster: evict and delete are two different things.

Who is there: pods of our own namespace that a label selector names. Opt-in is the label `gopherwood/chaos: "true"` of a
pod, looked at anew before each deed. An eviction asks the disruption budgets, and its 429 is a refusal of theirs; a
deletion asks nobody, so it is us who keep to the budgets then. `drain` cordons a node and evicts our own opted-in pods;
its rollback uncordons it. That wants rights beyond a namespace (nodes: get, patch).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gopherwood.chaos.actions import Facts
from gopherwood.chaos.kube import BudgetError, ForbiddenError, NotThereError
from gopherwood.chaos.values import GuardError, Victim
from gopherwood.chaos.world import World

OPT_IN = "gopherwood/chaos"


def evict(selector: str, number: int = 1) -> "Pods":
    """Make the action that evicts pods: with their grace, and only if the disruption budgets allow it."""
    return Pods(selector, number, "evict")


def delete(selector: str, number: int = 1) -> "Pods":
    """Make the action that kills pods: no grace, as when a node dies."""
    return Pods(selector, number, "delete")


def drain(selector: str) -> "Drain":
    """Make the action that drains the node of a pod, as for maintenance."""
    return Drain(selector, 1, "drain")


@dataclass(frozen=True, slots=True)
class Pods:
    """Evicts or deletes."""

    selector: str
    number: int
    how: str

    @property
    def says(self) -> str:
        """What it does to one."""
        return self.how

    def everybody(self, world: World) -> list[Victim]:
        """Return the pods of the selector that are running and not on their way out."""
        try:
            pods = world.kube.pods(self.selector)
        except ForbiddenError as error:
            raise GuardError(f"our account may not look at pods: {error}") from error
        return [self._victim(world, each) for each in pods if _is_running(each)]

    def budget(self, world: World, everybody: Sequence[Victim]) -> int | None:
        """Return the least that a budget over one of these pods allows."""
        allowed = []
        labels = [world.kube.pod(each.name)["metadata"].get("labels", {}) for each in everybody]
        for each in world.kube.budgets():
            wanted = each.get("spec", {}).get("selector", {}).get("matchLabels", {})
            if any(wanted.items() <= found.items() for found in labels):
                allowed.append(int(each.get("status", {}).get("disruptionsAllowed", 0)))
        return min(allowed) if allowed else None

    def look(self, world: World, victim: Victim) -> Victim | None:
        """Look at a pod once more."""
        try:
            pod = world.kube.pod(victim.name)
        except NotThereError:
            return None
        return self._victim(world, pod) if _is_running(pod) else None

    def hit(self, world: World, victim: Victim) -> Facts:
        """Evict or delete it. Raises GuardError when a budget or our rights are against it."""
        try:
            if self.how == "delete":
                world.kube.delete(victim.name, victim.identity, grace=0)
            else:
                world.kube.evict(victim.name, victim.identity)
        except BudgetError as error:
            raise GuardError(f"refused by budget: {error}") from error
        except ForbiddenError as error:
            raise GuardError(f"our account may not {self.how} pods: {error}") from error
        except NotThereError as error:
            raise GuardError(f"{victim.name} has ended by itself") from error
        return {"how": self.how}

    def undo(self, world: World, victim: Facts) -> str:
        """Undo nothing: whoever owns the pod makes another."""
        return "nothing to undo"

    def is_ready(self, world: World, before: Sequence[Victim], hit: Sequence[Victim]) -> bool:
        """Tell whether as many are ready as before, none of them one that was hit."""
        gone = {each.identity for each in hit}
        pods = [each for each in world.kube.pods(self.selector) if each["metadata"]["uid"] not in gone]
        return sum(_is_ready(each) for each in pods) >= len(before)

    def _victim(self, world: World, pod: Mapping[str, Any]) -> Victim:
        about, labels = pod["metadata"], pod["metadata"].get("labels") or {}
        begun = (pod.get("status") or {}).get("startTime") or about.get("creationTimestamp")
        age = (datetime.now(UTC) - datetime.fromisoformat(begun)).total_seconds() if begun else 0.0
        node = (pod.get("spec") or {}).get("nodeName", "")
        willing = labels.get(OPT_IN) == "true"
        return Victim("pod", about["name"], about["uid"], self.selector, about["namespace"], age, willing, node)


@dataclass(frozen=True, slots=True)
class Drain(Pods):
    """Drains a node: the victim is the node of a pod, by the name of that pod."""

    def hit(self, world: World, victim: Victim) -> Facts:
        """Cordon the node, then evict every opted-in pod of ours from it, as far as the budgets allow."""
        if not victim.node:
            raise GuardError(f"{victim.name} is on no node")
        try:
            world.kube.ask("PATCH", f"/api/v1/nodes/{victim.node}", {"spec": {"unschedulable": True}})
        except ForbiddenError as error:
            raise GuardError(f"our account may not cordon a node, and a drain without that is none: {error}") from error
        gone = []
        for each in world.kube.pods(""):
            pod = self._victim(world, each)
            if pod.node == victim.node and pod.opted_in and _is_running(each):
                world.check()
                Pods.hit(replace(self, how="evict"), world, pod)
                gone.append(pod.name)
        return {"node": victim.node, "evicted": gone}

    def undo(self, world: World, victim: Facts) -> str:
        """Uncordon the node."""
        world.kube.ask("PATCH", f"/api/v1/nodes/{victim['node']}", {"spec": {"unschedulable": False}})
        return f"{victim['node']} takes pods again"


def _is_running(pod: Mapping[str, Any]) -> bool:
    return not pod["metadata"].get("deletionTimestamp") and (pod.get("status") or {}).get("phase") == "Running"


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")
