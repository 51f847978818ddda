"""Bring what is on the queue into the store: fetch, validate, publish; then read what is in it, for pages and the API.

Runs when `discover` has put something on the queue, every hour for what is to be tried again, and by hand: name modules
to include (`MODULE@VERSION`, `MODULE@latest`, `MODULE@all`), and tick `closure` to include all they need to be built.

**How much at once.** `plan` looks at the queue and says how many workers `fetch` is worth, at most `max_workers`. They
lease their work, so that two runs at a time share the queue and never do the same thing twice. What one worker could
not fetch does not hold back the others' catch: it is validated and published, and `all_fetched` turns the run red.

**When it is red.** The log of the red task has the reason. Exit code 1: an upstream or our storage failed; the task was
tried four times, clear it when the cause is gone, and only what is still open is done again. Exit code 3 is
*integrity*: what we were given contradicts the checksum database or what we published. Nothing was changed; do not
clear the task before a person has looked at the evidence (`gopherwood status`). A rejected version makes no task red.
"""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param

from gopherwood_airflow.assets import QUEUE, STORE
from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.node_pools import PREEMPTIBLE
from gopherwood_airflow.pods import SMALL, TaskPod

MODULES = Param(
    None,
    type=["null", "array"],
    items={"type": "string", "pattern": r"^[^-/.\s@][^\s@]*@[^\s@]+$"},
    title="Modules",
    description="What to include beside the queue, one a line: MODULE@VERSION, MODULE@latest or MODULE@all",
)
CLOSURE = Param(False, type="boolean", title="Closure", description="Include what they need to be built, too")
MAX_WORKERS = Param(4, type="integer", minimum=1, maximum=64, title="Workers", description="At most so many fetch")


def fetch_arguments(worker: int) -> list[str]:
    """Return the command line of one worker."""
    return ["fetch", "--worker", str(worker)]


with DAG(
    dag_id="ingest",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("30 * * * *", timezone="UTC"), assets=[QUEUE]),
    catchup=False,
    max_active_runs=2,
    dagrun_timeout=timedelta(hours=12),
    default_args=default_args(execution_timeout=timedelta(hours=2), trigger_rule="none_failed"),
    params={"modules": MODULES, "closure": CLOSURE, "max_workers": MAX_WORKERS},
    tags=["pipeline", "by-hand", "scheduled"],
):
    include = TaskPod(
        task_id="include",
        only_if="{{ params.modules }}",
        arguments=["discover", "--source", "seed"],
        more_arguments="{{ params.modules | tojson }}",
        modules="{{ (params.modules or []) | count }}",
        size=SMALL,
    )
    closure = TaskPod(
        task_id="closure",
        only_if="{{ params.closure }}",
        arguments=["discover", "--source", "closure"],
        more_arguments="{{ params.modules | tojson }}",
        modules="{{ (params.modules or []) | count }}",
    )
    planning = ["plan", "--max-workers", "{{ params.max_workers }}", "--xcom"]
    plan = TaskPod(task_id="plan", arguments=planning, size=SMALL, result=True)
    fetch = TaskPod.partial(task_id="fetch", node_pool=PREEMPTIBLE, max_active_tis_per_dag=16).expand(
        arguments=plan.output.map(fetch_arguments)
    )
    all_fetched = EmptyOperator(task_id="all_fetched")
    validate = TaskPod(task_id="validate", arguments=["validate"], node_pool=PREEMPTIBLE, trigger_rule="all_done")
    publish = TaskPod(task_id="publish", arguments=["publish"], outlets=[STORE])
    read = TaskPod(task_id="read", arguments=["index"], node_pool=PREEMPTIBLE)

    include >> closure >> plan >> fetch >> [all_fetched, validate]
    validate >> publish >> read
