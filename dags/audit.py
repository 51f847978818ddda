"""Look back, every day, at every byte in the store and at where it came from: are they still what was published.

`scrub` re-hashes a share of the store, so that all of it is read in `GOPHERWOOD_SCRUB_DAYS`; its workers lease parts
and so share them. What is damaged is taken out of service at once (503 with the reason) and healed from a second copy:
the replica (`GOPHERWOOD_REPLICA`), then the upstream, if its h1 is the published one. `heal` tries again what could
not be healed before. `origin` asks the repositories that versions came from, 1, 7, 30 and 180 days after publishing
and twice a year from then on, whether their tags are where they were; what moved is told (`gopherwood status
MODULE@VERSION`, events) and makes no task red, for what is published is served as before. By hand, `all` scrubs the
whole store: after a restore, or when a disk is suspect (docs/audit.md).

**When it is red.** Exit code 3 is *integrity*: a file is damaged and no second copy could heal it, or there is a file
that nobody published. The log names it, `gopherwood status MODULE@VERSION` tells what is known, the damaged bytes are
kept below `.quarantine/` in the store. Give it a second copy (name a replica that has it; let the upstream answer) and
clear `heal`; it stays red till all is well. Many damaged files at once end the run: look at the storage first. Exit
code 1: the storage did not answer; what was not read is read tomorrow. Damage that was healed makes no task red.
`origin` with exit code 2 has no git: on a cluster it wants the image gopherwood-vcs (docs/kubernetes.md).
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param

from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.node_pools import PREEMPTIBLE
from gopherwood_airflow.pods import TaskPod

WORKERS = 2
"""Pods that share the day's part of the store."""
EVERYTHING = Param(False, type="boolean", title="All", description="Scrub the whole store, not a day's share of it")

with DAG(
    dag_id="audit",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("15 3 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=20),
    default_args=default_args(execution_timeout=timedelta(hours=6)),
    params={"all": EVERYTHING},
    tags=["by-hand", "scheduled"],
):
    TaskPod(task_id="heal", arguments=["audit", "--heal"])
    TaskPod(task_id="origin", arguments=["audit", "--origin", "--seconds", str(5 * 3600)], node_pool=PREEMPTIBLE)
    for number in range(WORKERS):
        TaskPod(
            task_id=f"scrub_{number}",
            # Shorter than the time limit: what is left goes on tomorrow, and no task has failed.
            arguments=["audit", "--scrub", "--workers", "2", "--budget", "5h"],
            more_arguments="{{ (['--all'] if params.all else []) | tojson }}",
            node_pool=PREEMPTIBLE,
        )
