"""A DAG of pods that end in every way; run as a program it runs once and prints what became of each task."""

import json

from airflow.sdk import DAG

from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.node_pools import DEFAULT, PREEMPTIBLE
from gopherwood_airflow.pods import SMALL, TaskPod

PYTHON = {"program": ["python3", "-u", "-c"], "size": SMALL, "on_finish_action": "keep_pod"}
NO_RETRY = {"retries": 0}
RESULT = "import os, pathlib; pathlib.Path(os.environ['GOPHERWOOD_XCOM']).write_text('[0, 1]')"
WHO = """
import os, pathlib, time
print('user', os.getuid(), 'home', os.environ['GOPHERWOOD_HOME'])
try:
    pathlib.Path('/written').touch()
except OSError as error:
    print('root:', error.strerror)
pathlib.Path('/tmp/written').touch()
time.sleep(4)
"""


def echo(worker: int) -> list[str]:
    """Return the command of one worker."""
    return [f"print('worker {worker} at work')"]


with DAG(dag_id="pods", default_args=default_args(**NO_RETRY)) as dag:
    TaskPod(task_id="migrate", arguments=["migrate"], node_pool=DEFAULT, size=SMALL, on_finish_action="keep_pod")
    TaskPod(task_id="who", arguments=[WHO], node_pool=PREEMPTIBLE, **PYTHON)
    TaskPod(task_id="skipped", arguments=["raise SystemExit(99)"], **PYTHON)
    TaskPod(task_id="failed", arguments=["print('last words'); raise SystemExit(1)"], **PYTHON)
    TaskPod(task_id="misused", arguments=["raise SystemExit(2)"], **PYTHON)
    plan = TaskPod(task_id="plan", arguments=[RESULT], result=True, **PYTHON)
    TaskPod.partial(task_id="work", node_pool=PREEMPTIBLE, **PYTHON).expand(arguments=plan.output.map(echo))

if __name__ == "__main__":
    run = dag.test()
    states = [[task.task_id, task.map_index, str(task.state), task.try_number] for task in run.get_task_instances()]
    print("STATES", json.dumps(states), flush=True)
