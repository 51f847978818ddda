"""Whose work a command is: DAG, run, task and try in its environment, and a trace that all tasks of a run share.

Each line of a command's log then says it (output.py of the tasks), wherever it ran, and whoever the command asks can
say it too. The trace is made from the run's id and not drawn, so that a try on another machine, and whoever looks for
the trace of a run, has the same one without asking. Authority: W3C Trace Context, `traceparent`; the names
AIRFLOW_CTX_... are Airflow's own, of the environment that its BashOperator gives.
"""

import hashlib
from typing import Any

VARIABLE = "TRACEPARENT"


def environment(context: Any) -> dict[str, str]:
    """Return the variables for a task's command; none without a task instance."""
    ti = (context or {}).get("ti")
    if ti is None:
        return {}
    run = context["run_id"]
    names = {"DAG_ID": ti.dag_id, "TASK_ID": ti.task_id, "DAG_RUN_ID": run, "TRY_NUMBER": ti.try_number}
    if ti.map_index is not None and ti.map_index >= 0:
        names["MAP_INDEX"] = ti.map_index
    variables = {f"AIRFLOW_CTX_{name}": str(value) for name, value in names.items()}
    return variables | {VARIABLE: traceparent(ti.dag_id, run, ti.task_id, ti.map_index, ti.try_number)}


def traceparent(dag: str, run: str, *span: object) -> str:
    """Return the header's text: the trace of a run of a DAG, and a span of it by what makes that one of many."""
    trace = _digest("trace", dag, run)[:32]
    return f"00-{trace}-{_digest('span', dag, run, *span)[:16]}-01"


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
