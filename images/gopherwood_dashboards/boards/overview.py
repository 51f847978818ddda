"""Is it well? The four golden signals, and the objectives."""

from gopherwood_dashboards import Board, Panel
from gopherwood_dashboards.boards.shared import BUCKETS, DAMAGED, ERRORS, IN_FLIGHT, QUEUE, TRAFFIC, rate

OBJECTIVES = [
    Panel("Errors, 6 h", "percentunit", [("gopherwood:serving_errors:ratio_rate6h", "")], "stat", 4, bad_above=0.001),
    Panel("Slow, 6 h", "percentunit", [("gopherwood:serving_slow:ratio_rate6h", "")], "stat", 4, bad_above=0.01),
    Panel("Late, 1 d", "percentunit", [("gopherwood:late:ratio_rate1d", "")], "stat", 4, bad_above=0.05),
    DAMAGED,
    Panel("Oldest in the queue", "s", [("gopherwood_queue_oldest_seconds", "")], "stat", 4, bad_above=14_400),
    Panel("Sources that answer", "short", [("gopherwood_exporter_up", "{{source}}")], "stat", 4),
]
LATENCY = Panel(
    "Time to an answer, 99th percentile",
    "s",
    [(f"histogram_quantile(0.99, {rate(BUCKETS, 'le, route')})", "{{route}}")],
    says="Till the answer is handed to the server; a client that reads slowly is not in it.",
)
SENT = Panel("Bytes sent", "Bps", [(rate("gopherwood_serving_sent_bytes_total", "route"), "{{route}}")])

OVERVIEW = Board(
    "overview",
    "Overview",
    [
        ("Is it well?", OBJECTIVES),
        ("Latency and traffic", [LATENCY, TRAFFIC, SENT]),
        ("Errors and saturation", [ERRORS, IN_FLIGHT, QUEUE]),
    ],
)
