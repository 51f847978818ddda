"""The guard before a run: load is added to a server only while its error budget does not burn.

A budget is the share of requests that may fail (1 - availability). It burns when a larger share fails, since the
server was started or while we watch; then real clients are in trouble, and a test would take what is left to them.
"""

import threading
from collections.abc import Mapping

from gopherwood.errors import EXIT_NO_VERDICT, OursError
from gopherwood.loadtest.scrape import Look, Serving

FEW = 100
"""Requests below which a share says nothing."""


class BudgetError(OursError):
    """Serving fails too many of its requests already: no load is added."""

    reason = "budget"
    retry = False
    exit_code = EXIT_NO_VERDICT


def check(serving: Serving, limits: Mapping[str, float], watch: float, stop: threading.Event) -> None:
    """Watch serving for some seconds; raises BudgetError while its budget burns."""
    before = serving.look()
    _judge(before.errors, before.requests.total(), "since it was started", limits)
    if watch and not stop.wait(watch):
        _judge(*_between(before, serving.look()), f"in {watch:g} s", limits)


def _between(before: Look, after: Look) -> tuple[int, int]:
    return after.errors - before.errors, after.requests.total() - before.requests.total()


def _judge(errors: int, requests: int, when: str, limits: Mapping[str, float]) -> None:
    budget = 1 - limits["availability"]
    if requests >= FEW and errors > limits["burn"] * budget * requests:
        raise BudgetError(
            f"refused: serving failed {errors:,} of {requests:,} requests {when}; it may fail {budget:.3%}",
            hint="find out why it fails before load is added to it; `[budget]` of the thresholds says how much may",
        )
