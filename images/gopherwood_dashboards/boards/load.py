"""While somebody puts load on it, or breaks something on purpose."""

from gopherwood_dashboards import Board, Panel
from gopherwood_dashboards.boards.shared import ALL, BUCKETS, ERRORS, IN_FLIGHT, QUEUE, REQUESTS, TRAFFIC, rate

HITS = f'{REQUESTS}_count{{outcome="hit"}}'
LOST = "increase(gopherwood_serving_access_log_lost_total[5m])"
UNNOTED = "increase(gopherwood_serving_misses_dropped_total[5m])"
DROPPED = [
    (rate("gopherwood_serving_memory_evictions_total"), "dropped to make room"),
    (rate("gopherwood_serving_late_hits_total"), "hits that the fast lane missed"),
]
TIMES = [(f"histogram_quantile({q}, {rate(BUCKETS, 'le')})", f"p{round(q * 100)}") for q in (0.5, 0.9, 0.99)]

UNDER_LOAD = [
    TRAFFIC,
    Panel("Time to an answer", "s", TIMES),
    Panel("Outcomes", "reqps", [(rate(ALL, "outcome"), "{{outcome}}")]),
    IN_FLIGHT,
    Panel("Answers from memory", "percentunit", [(f"{rate(HITS)} / {rate(ALL)}", "hits")]),
    Panel("Memory", "cps", DROPPED),
]
BROKEN = [
    ERRORS,
    Panel("Targets that are up", "short", [('sum by (job) (up{job=~"gopherwood.*"})', "{{job}}")]),
    Panel("Leases that ran out", "cps", [("rate(gopherwood_expired_leases_total[5m])", "a second")]),
    QUEUE,
    Panel("Lines of the access log, lost", "short", [(LOST, "{{instance}}")]),
    Panel("Misses that were too many to note", "short", [(UNNOTED, "{{instance}}")]),
]

LOAD = Board("load", "Load and chaos", [("Load", UNDER_LOAD), ("What breaks", BROKEN)])
