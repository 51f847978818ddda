"""Prove that every part answers, and touch no data.

One command on each node pool: settings can be read, the catalog, the store and the upstream answer. Run it after every
change of the platform, and first of all when something is wrong.

**When it is red.** The red task names its pool, and its log names the part that did not answer and the setting that
says where it is. *Node pool NAME does not exist*: no node has its label; the log names the pools that there are. A pod
that waits and is given up after ten minutes: the pool has no node to offer, and did not grow.
"""

from datetime import timedelta

from airflow.sdk import DAG

from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.node_pools import POOLS
from gopherwood_airflow.pods import SMALL, TaskPod

with DAG(
    dag_id="smoke",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=15),
    default_args=default_args(retries=0, execution_timeout=timedelta(minutes=13)),
    tags=["by-hand"],
):
    for pool in POOLS:
        TaskPod(task_id=pool.name, arguments=["smoke"], node_pool=pool, size=SMALL)
