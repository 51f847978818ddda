"""Check the data sets of the platform as a whole, and say so in colour: red when a rule that must hold does not.

Every morning, after each `ingest` that published something, and by hand. `check` looks at everything at one moment of
the catalog, keeps what it found, tells events and writes the reports that serving shows at `/quality/`; `verdict` then
gives the run its colour. With the parameter `date`, or as a backfill (Trigger -> Backfill, with the range wanted), a
run looks only at what was published, read or ended on its day. docs/quality.md names every rule and why it is there.

**When it is red.** `verdict` with exit code 3 is *integrity*: a stop rule failed. Its log and the report name the
rule and rows; nothing was changed. Mend the cause, then trigger the DAG anew: clearing `verdict` alone repeats the same
words. A list that shrank stays red till the versions are back. `check` red: the catalog or the store did not answer, or
(exit code 2) its image has no extra `quality`. A warning makes no task red.
"""

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronDataIntervalTimetable, Param, timezone

from gopherwood_airflow.assets import STORE
from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.pods import LARGE, SMALL, TaskPod

DATE = Param(
    None,
    type=["null", "string"],
    pattern=r"^\d{4}-\d{2}-\d{2}$",
    title="Date",
    description="Only what is of this day in UTC (YYYY-MM-DD); empty: everything",
)
INTERVAL = """{{ (['--date', params.date] if params.date else
                  ['--date', data_interval_start | ds] if dag_run.run_type == 'backfill' else []) | tojson }}"""
REPORT = "quality/{{ '' if params.date or dag_run.run_type == 'backfill' else (ti.start_date | ds) + '.html' }}"
"""The page of the day; only runs over everything write one."""

with DAG(
    dag_id="quality",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=CronDataIntervalTimetable("45 4 * * *", timezone="UTC"), assets=[STORE]),
    start_date=timezone.parse("2026-01-01T00:00:00Z"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args=default_args(execution_timeout=timedelta(hours=4)),
    params={"date": DATE},
    tags=["by-hand", "scheduled"],
):
    check = TaskPod(
        task_id="check",
        arguments=["quality", "--defer-verdict"],
        more_arguments=INTERVAL,
        report=REPORT,
        size=LARGE,
    )
    verdict = TaskPod(
        task_id="verdict", arguments=["quality", "--verdict"], more_arguments=INTERVAL, report=REPORT, size=SMALL
    )
    check >> verdict
