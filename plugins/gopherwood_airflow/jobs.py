"""What kind of job a command is: who its pod is to the cluster, and whether a node may be taken from under it.

A DAG does not say this: the verb does, by the table below. A task that differs is given a `job=` of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of job."""

    name: str
    """Part of its service account's name."""
    evictable: bool = False
    """Whether a cluster autoscaler may take its node away: true for what leases its work and gives it back."""
    spread: Literal["no", "preferred", "required"] = "no"
    """Whether pods of one task keep to different nodes: where a node's network or its loss would hit all of them."""
    signs: bool = False
    """Whether it needs the ledger's secret key; nobody else is given it."""
    helm: bool = False
    """Whether it runs helm: with the token of its service account, and a checkout."""
    asks: bool = False
    """Whether it asks the cluster's API server: it gets its account's token, as who runs helm does, and nobody else."""
    vcs: bool = False
    """Whether it asks version control: its image has git and Go too, where there is such an image."""

    data: bool = False
    """Whether it works on tables: its image has pandas and Parquet too, where there is such an image."""

    load: bool = False
    """Whether it puts load on the platform: its image has the generators and Go too, where there is such an image."""


TASK = Job("task")
"""Any other command: short, or it must not be interrupted, or both."""

JOBS = {
    job.name: job
    for job in (
        Job("fetch", evictable=True, spread="preferred"),
        Job("validate", evictable=True),
        # Killed at any instruction it loses nothing; but each start waits for the disk, and readers for its end.
        Job("publish", signs=True),
        Job("audit", evictable=True, spread="preferred"),
        # Killed anywhere it can be run again, but meanwhile a release is half-way.
        Job("promote", helm=True),
        # It may be killed, too: its journal says what must be undone.
        Job("chaos", asks=True),
    )
}
"""Kinds of jobs with a service account of their own, by their verb. The tasks' chart makes the accounts."""

ORIGIN = Job("audit", evictable=True, spread="preferred", vcs=True)
"""The audit that asks repositories."""

DATA = Job("task", data=True)
"""What works on tables: it counts or checks, and may be done again."""
DATA_VERBS = frozenset({"usage", "quality"})

LOAD = Job("task", load=True)
"""What measures: taken away in the middle it has measured nothing."""


def job_of(arguments: Any) -> Job:
    """Return the kind of job that a command line is; TASK for one that is not known yet."""
    verb = arguments[0] if isinstance(arguments, Sequence) and arguments else ""
    if verb == "audit" and "--origin" in arguments:
        return ORIGIN
    if verb in DATA_VERBS:
        return DATA
    if verb == "loadtest":
        return LOAD
    return JOBS.get(verb, TASK)
