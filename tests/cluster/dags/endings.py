"""A DAG of pods that others put an end to; run as a program it runs once and prints what became of each task."""

import json
from datetime import timedelta

from airflow.sdk import DAG

from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.node_pools import PREEMPTIBLE, NodePool
from gopherwood_airflow.pods import SMALL, TaskPod

PYTHON = {"program": ["python3", "-u", "-c"], "size": SMALL}
SOON = {"retries": 1, "retry_delay": timedelta(seconds=1), "retry_exponential_backoff": False}
HUNGRY = "print('fed', len(b'x' * (600 << 20)))"
EVICTED = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: exit(1))
print('at work', flush=True)
time.sleep(8)
print('work is done')
"""

with DAG(dag_id="endings", default_args=default_args(**SOON)) as dag:
    TaskPod(task_id="hungry", arguments=[HUNGRY], **PYTHON)
    TaskPod(task_id="evicted", arguments=[EVICTED], node_pool=PREEMPTIBLE, **PYTHON)
    nowhere = NodePool("no-such-pool", "nodes that nobody made")
    TaskPod(task_id="nowhere", arguments=["pass"], node_pool=nowhere, **(PYTHON | {"retries": 0}))

if __name__ == "__main__":
    run = dag.test()
    states = [[task.task_id, task.map_index, str(task.state), task.try_number] for task in run.get_task_instances()]
    print("STATES", json.dumps(states), flush=True)
