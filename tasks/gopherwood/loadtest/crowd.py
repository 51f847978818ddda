"""The crowd, a process of its own: `python -m gopherwood.loadtest.crowd PLAN RESULT` runs a population on Locust.

Importing Locust replaces sockets, threads and clocks of the whole process (gevent), which is why nobody else imports
this module. All users are there before the first asks; from then on each keeps a schedule of its own, as
`constant_throughput` does, but one that never drifts: an answer that is late makes the next request no later, so the
population stays an open model, and latency counts from the schedule.
"""

import json
import logging
import random
import sys
import time
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

import gevent
from gevent.event import Event
from locust import FastHttpUser, task
from locust.env import Environment
from locust.exception import StopUser

from gopherwood.loadtest.answers import Answers, digest_of
from gopherwood.loadtest.limits import most_open_files
from gopherwood.loadtest.measure import Measured, Stopwatch
from gopherwood.loadtest.plan import HEADERS, Plan, evenly

LEAD = 0.5
"""Seconds between the decision to begin and the first slot of a user."""


class Crowd:
    """What all users share. Greenlets of one thread, so nothing is locked."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.dice = random.Random(plan.seed)  # noqa: S311
        self.firsts = iter(evenly(plan.users, plan.rate, iter(self.dice.random, None)))
        self.round = plan.users / plan.rate
        self.measured, self.answers = Measured(), Answers()
        self.ready = Event()
        self.begin = 0.0
        self._weights = list(accumulate(each.weight for each in plan.paths))

    def draw(self) -> tuple[str, str]:
        """Return the class and the path of a request."""
        (chosen,) = self.dice.choices(self.plan.paths, cum_weights=self._weights)
        return chosen.kind, chosen.path

    def start(self) -> Stopwatch:
        """Let all begin."""
        self.begin = self.measured.began_at = time.monotonic() + LEAD
        self.ready.set()
        return Stopwatch()

    def now(self) -> float:
        """Return seconds since the begin."""
        return time.monotonic() - self.begin


class Visitor(FastHttpUser):
    """One of the population: asks for something once a round."""

    crowd: ClassVar[Crowd]
    insecure = False
    max_retries = 1
    """For a connection that the server closed while it was idle, as it may."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.due = next(self.crowd.firsts)

    def on_start(self) -> None:
        """Wait for the first moment of its own."""
        self.crowd.ready.wait()
        gevent.sleep(self._left())

    def wait_time(self) -> float:
        """Return the seconds till the next moment of the schedule; ends the user when there is none."""
        self.due += self.crowd.round
        return self._left()

    def _left(self) -> float:
        if self.due >= self.crowd.plan.duration:
            raise StopUser
        return max(self.due - self.crowd.now(), 0.0)

    @task
    def ask(self) -> None:
        """Ask for one thing, and judge the answer."""
        crowd, due = self.crowd, self.due
        kind, path = crowd.draw()
        began = crowd.now()
        crowd.measured.begin(due, began - due)
        response: Any = self.client.get(path, name=kind, headers=HEADERS, allow_redirects=False)
        took = crowd.now() - began
        if not response.status_code:
            crowd.measured.give_up(kind, due, began - due, took, type(response.error).__name__)
            return
        body = response.content or b""
        etag = str((response.headers or {}).get("etag", ""))
        fault = crowd.answers.fault(kind, path, 200, response.status_code, etag, digest_of(body))
        crowd.measured.end(kind, due, began - due, took, len(body), fault)


def run(plan: Plan) -> Measured:
    """Run the population; return what was measured."""
    crowd = Crowd(plan)
    Visitor.crowd, Visitor.host = crowd, plan.url
    Visitor.network_timeout = Visitor.connection_timeout = plan.timeout
    for first in evenly(plan.users, plan.rate, iter(random.Random(plan.seed).random, None)):  # noqa: S311
        at = first
        while at < plan.duration:
            crowd.measured.expect(at)
            at += crowd.round
    runner = Environment(user_classes=[Visitor]).create_local_runner()
    users = runner.spawn_users({Visitor.__name__: plan.users})
    gevent.sleep(0)  # all of them run up to where they wait
    watch = crowd.start()
    runner.user_greenlets.join(timeout=LEAD + plan.duration + 2 * plan.timeout)
    watch.stop(crowd.measured)
    crowd.measured.seconds = crowd.now()
    crowd.measured.checked = crowd.answers.checked
    logging.getLogger(__name__).info("%d users have ended", len(users))
    return crowd.measured


def main() -> None:
    """Run the plan of the first argument, and write what was measured where the second says."""
    plan = Plan.read(Path(sys.argv[1]))
    most_open_files()
    logging.getLogger("locust").setLevel(logging.WARNING)
    Path(sys.argv[2]).write_text(json.dumps(run(plan).data()))


if __name__ == "__main__":
    main()
