"""The house operator. A DAG's task is `TaskPod(task_id=..., arguments=[...])`, and nothing else.

With a cluster configured (`GOPHERWOOD_POD_IMAGE` names the tasks' image) it is a pod on a node pool; without one it is
the same command line as a local process. The choice is made from the environment once, when a DAG file is parsed.

Parameters:
    arguments: the command line after `gopherwood`; templates are rendered in each. May be mapped.
    more_arguments: a template that renders to a JSON list of strings, appended. For lists that a person enters.
    only_if: a template; the task is skipped, and nothing started, when it renders to something false.
    node_pool: where the pod runs (node_pools.py). Default: the machines that stay.
    size: a step of the ladder of sizes.py: `SMALL`, `NORMAL`, `LARGE`, `HUGE`.
        A task that was killed for memory is tried again one step up.
    job: what kind of job it is (jobs.py); by default the verb says it.
    modules: a template that renders to how many modules it is about, where that is known; a label of the pod.
    report: the path of its report below serving's pages, a template; True: its result names it. A button in the UI
        leads there (reports.py).
    result: whether the JSON that the command writes to the file `$GOPHERWOOD_XCOM` is the task's XCom.
    program: what to run instead of `gopherwood`.
"""

import os

from gopherwood_airflow.sizes import HUGE, LARGE, NORMAL, SMALL, Size

CLUSTERED = bool(os.environ.get("GOPHERWOOD_POD_IMAGE"))

if CLUSTERED:
    from gopherwood_airflow.cluster import ClusterPod as TaskPod
else:
    from gopherwood_airflow.local import LocalProcess as TaskPod  # type: ignore[assignment]

__all__ = ["CLUSTERED", "HUGE", "LARGE", "NORMAL", "SMALL", "Size", "TaskPod"]
