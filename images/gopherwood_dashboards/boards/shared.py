"""Panels that several dashboards have, and how a rate and an age are asked for.

`$__rate_interval` is Grafana's: at least four scrapes.
"""

from gopherwood_dashboards import Panel

RATE = "$__rate_interval"
REQUESTS = "gopherwood_serving_request_seconds"
ALL = f'{REQUESTS}_count{{route!="probe"}}'
BUCKETS = f'{REQUESTS}_bucket{{route!="probe"}}'


def rate(metric: str, by: str = "") -> str:
    """Return the rate of a counter, summed."""
    return f"sum by ({by}) (rate({metric}[{RATE}]))" if by else f"sum(rate({metric}[{RATE}]))"


def age(metric: str) -> str:
    """Return how long ago a time was."""
    return f"time() - gopherwood_{metric}_timestamp_seconds"


TRAFFIC = Panel("Requests", "reqps", [(rate(f"{REQUESTS}_count", "route"), "{{route}}")])
ERRORS = Panel(
    "Requests that failed",
    "percentunit",
    [("gopherwood:serving_errors:ratio_rate5m", "5 min"), ("gopherwood:serving_errors:ratio_rate1h", "1 h")],
    says="The objective allows 0.1 % of a month.",
    bad_above=0.001,
)
IN_FLIGHT = Panel("Requests on the slow way", "short", [("gopherwood_serving_in_flight", "{{instance}} {{worker}}")])
QUEUE = Panel(
    "Versions in the queue",
    "short",
    [
        ("gopherwood_queue_due", "due"),
        ("gopherwood_queue_held", "in work"),
        ("gopherwood_queue_workers", "workers wanted"),
    ],
)
DAMAGED = Panel("Damaged files", "short", [("gopherwood_open_damages", "")], "stat", 4, bad_above=1)
