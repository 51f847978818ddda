"""Count what was asked of serving, every hour, for the hour that has passed: downloads, misses, latency, bytes.

The access log of exactly that hour becomes Parquet files below `usage/` in the store, and the day's downloads in the
catalog (docs/usage.md, with queries). Hours before it that have lines which came late are counted again, in the same
task. Files of the log that are old and counted are removed.

**Catch-up.** An hour that was missed is made up for by the next run: whatever is not counted is late. To count older
hours again: Trigger -> Backfill, with the range wanted; the result is the same, byte for byte, as long as their log is
there.

**When it is red.** The catalog, the store or the place of the log did not answer; the task was tried four times,
nothing is lost, the next run counts everything. Exit code 2: the log names the setting, or the image that is missing;
`GOPHERWOOD_ACCESS_LOG_STORE` must be what serving has. Skipped is no failure: nobody asked for anything, or serving has
not moved its files yet.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, timezone

from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.pods import TaskPod

with DAG(
    dag_id="usage",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=timezone.parse("2026-01-01T00:00:00Z"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=default_args(),
    tags=["scheduled"],
):
    TaskPod(
        task_id="usage",
        arguments=[
            *("usage", "--since", "{{ data_interval_start.isoformat() }}"),
            *("--until", "{{ data_interval_end.isoformat() }}"),
        ],
    )
