"""Put load on serving, or on the pipeline, and say with a report whether it holds what is promised.

*Scenario*: `ui`, a population of 10,000 that makes 100 requests a second in total; `replay`, the access log of the last
hour, played again; `build`, real `go` commands with empty caches; `backend`, ten thousand made-up modules through the
pipeline, twice, in a home of its own. All but `backend` need the *URL* of a serving that may take load: there is no
default but that of the weekly run (`GOPHERWOOD_LOAD_URL`), and without one the run is skipped. Pods run on nodes of
their own. The log of `measure` names the report; serving shows all of them at `/reports/` (docs/load.md).

**When it is red.** `verdict` red: the run *failed*: a threshold was not reached, or a figure is far from those of the
last runs; the report says which. `measure` red with exit code 4: the run was *invalid* (its generator was late or
busy, others asked meanwhile) or refused, since serving's error budget burns: nothing is known, so look at the reason
and trigger the DAG anew. Exit code 2: its image has no extra `loadtest`, or a parameter is wrong; 1: serving or the
generator ended in the middle.
"""

import os
from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param

from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.node_pools import TESTS
from gopherwood_airflow.pods import LARGE, TaskPod

URL = Param(os.environ.get("GOPHERWOOD_LOAD_URL", ""), type="string", pattern="^(https?://[^ ]+)?$", title="URL")
NAME = "{{ params.scenario }}-{{ run_id }}"
CHOSEN = """{{ ((['--url', params.url] if params.url else [])
                + (['--hostile'] if params.hostile and params.scenario == 'backend' else [])
                + (['--modules', params.modules | string] if params.modules else [])) | tojson }}"""

with DAG(
    dag_id="load_test",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 5 * * 6", timezone="UTC"),
    catchup=False,
    is_paused_upon_creation=True if os.environ.get("GOPHERWOOD_LOAD_PAUSED", "") == "true" else None,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    # A person looks at a run that failed before more load is added.
    default_args=default_args(retries=0, execution_timeout=timedelta(hours=5)),
    params={
        "scenario": Param("ui", enum=["ui", "replay", "build", "backend"], title="Scenario"),
        "url": URL,
        "users": Param(10_000, type="integer", minimum=1, title="Users", description="ui: the population"),
        "rate": Param(100, type="number", exclusiveMinimum=0, title="Rate", description="ui: requests/s of all users"),
        "duration": Param(120, type="number", minimum=1, title="Duration", description="ui: seconds"),
        "speed": Param(1, type="number", exclusiveMinimum=0, title="Speed", description="replay: times as fast"),
        "modules": Param(None, type=["null", "integer"], minimum=1, title="Modules", description="backend, build"),
        "clients": Param(4, type="integer", minimum=1, title="Clients", description="build: `go` commands at once"),
        "hostile": Param(
            True, type="boolean", title="Hostile", description="backend: change the upstream's bytes, too"
        ),
    },
    tags=["by-hand", "scheduled"],
):
    measure = TaskPod(
        task_id="measure",
        only_if="{{ params.url or params.scenario == 'backend' }}",
        arguments=[
            *("loadtest", "{{ params.scenario }}", "--name", NAME, "--defer-verdict"),
            *("--users", "{{ params.users }}", "--rate", "{{ params.rate }}", "--duration", "{{ params.duration }}"),
            *("--speed", "{{ params.speed }}", "--clients", "{{ params.clients }}"),
        ],
        more_arguments=CHOSEN,
        node_pool=TESTS,
        size=LARGE,
    )
    verdict = TaskPod(task_id="verdict", arguments=["loadtest", "verdict", "--name", NAME], node_pool=TESTS)
    measure >> verdict
