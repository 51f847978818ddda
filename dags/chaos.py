"""Hurt the platform on purpose, with care, and say honestly what became of it: one experiment a run (docs/chaos.md).

Weekly, the experiment `ingest-killed`: a rehearsal, which hits nobody. By hand: name an *Experiment* (`gopherwood
chaos` lists them) and tick *Execute*; without, it is a dry run that says who would be hit. `preflight` asks the rails,
`baseline` whether all is well, `load` plays clients from before the deed till after it, `inject` does it, `verify`
checks the eight invariants of the store with every byte. `restore` undoes what was begun and `report` judges, whatever
happened; serving shows reports at `/reports/`. One experiment runs at a time: a turn in the catalog sees to it, and the
Airflow pool `chaos` of one slot (`airflow pools set chaos 1 experiments`; without the pool `inject` waits for ever).

**To stop it.** Delete the file `chaos/running` among the reports, for experiments on pods the ConfigMap
`gopherwood-chaos-running`: it ends and is rolled back. `gopherwood chaos --roll-back` undoes what a dead run has left.

**When it is red.** Only a verdict *fail* (or a missing report) is red: read the report. Exit code 3 of `verdict`:
something published is lost, half or changed: stop what writes, and keep everything. Exit code 1: the platform was not
as good as the experiment demands. *refused*, *inconclusive* and *dry-run* skip the last task, and say why.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param

from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.node_pools import PREEMPTIBLE
from gopherwood_airflow.pods import SMALL, TaskPod

RUN = "{{ params.experiment }}-{{ run_id }}"
EXECUTE = "{{ (['--execute'] if params.execute or dag_run.run_type == 'scheduled' else []) | tojson }}"
SERVING = "{{ (['--serving', params.serving] if params.serving else []) | tojson }}"


def phase(name: str, *, more: str = "[]", rule: str = "all_success", pool: str = "default_pool") -> TaskPod:
    """Return the task of a phase."""
    return TaskPod(
        task_id=name,
        arguments=["chaos", "{{ params.experiment }}", "--phase", name, "--run", RUN],
        more_arguments=more,
        trigger_rule=rule,
        pool=pool,
        node_pool=PREEMPTIBLE,
        size=SMALL,
    )


with DAG(
    dag_id="chaos",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 10 * * 2", timezone="UTC"),
    catchup=False,
    is_paused_upon_creation=True,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    # What was done once is not done again: a phase that failed makes the run inconclusive.
    default_args=default_args(retries=0, execution_timeout=timedelta(minutes=40)),
    params={
        "experiment": Param("ingest-killed", type="string", pattern="^[a-z][a-z0-9-]*$", title="Experiment"),
        "execute": Param(False, type="boolean", title="Execute", description="Do it, and not only say what it would"),
        "serving": Param("", type="string", title="Serving", description="Where clients find it; empty: by settings"),
    },
    tags=["by-hand", "scheduled"],
):
    preflight, baseline = phase("preflight", more=EXECUTE), phase("baseline", more=SERVING)
    load, inject = phase("load", more=SERVING), phase("inject", more=SERVING, pool="chaos")
    verify = phase("verify", more=SERVING, rule="all_done")
    restore, report = phase("restore", rule="all_done"), phase("report", rule="all_done")
    preflight >> baseline >> [load, inject] >> verify >> restore >> report >> phase("verdict", rule="all_done")
