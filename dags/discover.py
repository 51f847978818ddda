"""Find module versions worth having, and put them on the queue.

Every hour, for the hour that has passed: the entries of the module index in exactly that interval, and what people
asked serving for in vain. Once a day, after midnight UTC: new versions of the modules we hold. With the parameter `log`
(by default `GOPHERWOOD_DISCOVER_LOG=true`) also every version that the log of the checksum database has a new record
of: for a database that gives out its data tiles, and whose modules you want all of.

**Catch-up.** Hours that were missed are made up for, from `GOPHERWOOD_DISCOVER_SINCE` on (ISO 8601).
For anything older: Trigger -> Backfill, with the range wanted. An interval may be run as often as you like; a version
that is known stays as it is.

**When it is red.** `index`: the index or the way to it is down; the task was tried four times. Nothing is lost: clear
the task when the index is back. Exit code 2: the log names the setting to correct. Skipped is no failure: there was
nothing to find, or no index is set (`GOPHERWOOD_INDEX`).
"""

import os
from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, timezone

from gopherwood_airflow.assets import QUEUE
from gopherwood_airflow.defaults import default_args
from gopherwood_airflow.pods import SMALL, TaskPod

LOG = Param(
    os.environ.get("GOPHERWOOD_DISCOVER_LOG", "") == "true",
    type="boolean",
    title="Read the log",
    description="Take every new version that the checksum database's log names; it must give out its data tiles",
)
SINCE = os.environ.get("GOPHERWOOD_DISCOVER_SINCE", "2026-01-01T00:00:00Z")

with DAG(
    dag_id="discover",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("@hourly", timezone="UTC"),
    start_date=timezone.parse(SINCE),
    catchup=True,
    max_active_runs=3,
    dagrun_timeout=timedelta(hours=2),
    default_args=default_args(),
    params={"log": LOG},
    tags=["pipeline", "scheduled"],
):
    TaskPod(
        task_id="index",
        arguments=[
            *("discover", "--source", "index"),
            *("--since", "{{ data_interval_start.isoformat() }}", "--until", "{{ data_interval_end.isoformat() }}"),
        ],
        size=SMALL,
        outlets=[QUEUE],
    )
    TaskPod(
        task_id="log",
        only_if="{{ params.log }}",
        arguments=["discover", "--source", "sumdb"],
        size=SMALL,
        outlets=[QUEUE],
    )
    TaskPod(task_id="requests", arguments=["discover", "--source", "requests"], size=SMALL, outlets=[QUEUE])
    TaskPod(
        task_id="updates",
        only_if="{{ data_interval_end.hour == 0 }}",
        arguments=["discover", "--source", "updates"],
        size=SMALL,
        outlets=[QUEUE],
    )
