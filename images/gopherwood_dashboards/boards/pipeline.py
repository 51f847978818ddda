"""From the index to the store: what waits, how late it is, what is refused, and whether the DAGs run."""

from gopherwood_dashboards import Board, Panel
from gopherwood_dashboards.boards.shared import QUEUE, age

FRESHNESS = "histogram_quantile(0.95, sum by (le) (rate(gopherwood_freshness_seconds_bucket[1h])))"
REJECTED = "gopherwood_rejected_versions > 0 or sum(gopherwood_rejected_versions)"
INDEX = [(age("index_read_until"), "read up to"), (age("index_read"), "last read")]

QUEUES = [
    QUEUE,
    Panel("Versions by state", "short", [('gopherwood_versions{state!="published"}', "{{state}}")]),
    Panel("Oldest in each state", "s", [("gopherwood_oldest_seconds", "{{state}}")]),
]
FRESH = [
    Panel("Published", "cps", [("gopherwood:published:rate1h", "over 1 h")], says="Versions a second."),
    Panel("From first seen to published, 95th percentile", "s", [(FRESHNESS, "1 h")], bad_above=7_200),
    Panel("Since the index was read", "s", INDEX, bad_above=10_800),
]
REFUSED = [
    Panel("Rejected, by reason", "short", [(REJECTED, "{{reason}}")], "bargauge"),
    Panel("Leases that ran out", "short", [("increase(gopherwood_expired_leases_total[1h])", "an hour")]),
    Panel(
        "What waits", "short", [("gopherwood_open_misses", "misses"), ("gopherwood_stale_lists", "lists to rewrite")]
    ),
]
DAGS = [
    Panel("Since the last success", "s", [(age("dag_last_success"), "{{dag_id}}")], "bargauge"),
    Panel("Since the last failure", "s", [(age("dag_last_failure"), "{{dag_id}}")], "bargauge"),
    Panel("Paused", "short", [("gopherwood_dag_paused", "{{dag_id}}")], "bargauge"),
    Panel(
        "Airflow's tasks",
        "short",
        [("airflow_executor_running_tasks", "running"), ("airflow_executor_queued_tasks", "queued")],
        width=12,
    ),
    Panel(
        "Airflow's scheduler",
        "short",
        [
            ("rate(airflow_scheduler_heartbeat[5m])", "heartbeats a second"),
            ("airflow_dag_processing_import_errors", "import errors"),
        ],
        width=12,
    ),
]

PIPELINE = Board(
    "pipeline",
    "Pipeline",
    [("Queue", QUEUES), ("Freshness", FRESH), ("What is refused", REFUSED), ("DAGs", DAGS)],
)
