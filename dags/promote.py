"""Bring a release into an environment, once the one before it has verified its images; what fails is rolled back.

*Record* is the file that `gopherwood release` wrote, below the checkout (docs/releases.md); *To* the environment that
gets it, whose Airflow this is; *From* the one before it, empty for the first. helm upgrades serving and then the tasks,
the chart's test looks at the new pods, and then the environment's `release.lock` is replaced: commit it. *Dry run*
prints what would change. To roll back, promote an older record. Started, finished and rolled back are events of the
catalog, with environment, version and pods.

**When it is red.** Exit code 1, *was rolled back*: the release did not work here, what was here before is back, and the
log says which step failed; pods that did not get ready say why at `/readyz` and in their logs. Exit code 2, *never
verified*: promote it to the environment before first, or name another record; *no helm*: give the lock an image
`deploy`; *somebody is at work*: wait. Exit code 3: the record is not what was made, or the ledger has lost entries:
stop. A run that was killed is run again with the same parameters, and goes on from what helm knows.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.pods import SMALL, TaskPod

NAME, RECORD = "[a-z][a-z0-9-]*", r"[A-Za-z0-9_][A-Za-z0-9._/-]*\.json"

with DAG(
    dag_id="promote",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    # A release that failed is looked at by a person before it is tried again.
    default_args=default_args(retries=0, execution_timeout=timedelta(minutes=100)),
    params={
        "record": Param("build/releases/NAME.json", type="string", pattern=f"^{RECORD}$", title="Record"),
        "from": Param("", type="string", pattern=f"^({NAME})?$", title="From", description="Who has verified it"),
        "to": Param("staging", type="string", pattern=f"^{NAME}$", title="To", description="Who gets it"),
        "dry_run": Param(False, type="boolean", title="Dry run", description="Show what would change, change nothing"),
    },
    tags=["by-hand"],
):
    TaskPod(
        task_id="promote",
        arguments=["promote", "{{ params.record }}", "--to", "{{ params.to }}"],
        more_arguments="{{ ((['--from', params['from']] if params['from'] else []) "
        "+ (['--dry-run'] if params.dry_run else [])) | tojson }}",
        size=SMALL,
    )
