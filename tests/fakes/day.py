"""A day of a queue and its workers, in seconds of simulated time: what the rule of scaling.py makes of it.

Arrivals are those of a real week in miniature: an hour's worth of the index every hour, requests by day and hardly any
by night, two closures that somebody asks for at once, and an upstream that is out for two hours after noon. Workers
take a while to come (a node may have to be made), take so many versions a second, and behave as `gopherwood work` does
when the upstream is out. The cluster's part is what KEDA and its HorizontalPodAutoscaler do: ask every half minute, add
at once, take away when `calm` has passed. Nothing here depends on a clock or on chance that is not seeded.

    PYTHONPATH=tasks:tests python tests/fakes/day.py

prints a line for each half hour, and the table of docs/scaling.md.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from gopherwood.scaling import Backlog, Rule, steady, workers

TICK = 30
"""Seconds between two looks of the scaler."""
HOUR = 3600
COMES = 90
"""Seconds till a worker that is asked for is at work: a node, an image, a start."""
A_SECOND = 1.5
"""Versions that a worker fetches, validates and publishes in a second."""
OUT = (13 * HOUR, 15 * HOUR)
"""When the upstream answers nobody."""
BATCH = 100
FAILS_FIRST, FIRST_PAUSE, LONGEST_PAUSE, PROBE = 48, 15, 3600, 300
"""An outage: versions that fail before a worker knows, their pauses, and how often one asks for all."""


@dataclass(frozen=True)
class Moment:
    """What the scaler saw at one look, and what there was."""

    at: int
    backlog: Backlog
    wanted: int
    """By the rule alone."""
    asked: int
    """After the calm."""
    running: int


@dataclass
class Queue:
    """Versions by when they are due; those that failed come again."""

    due: deque[tuple[int, int]] = field(default_factory=deque)
    """(since when, how many)"""
    later: list[tuple[int, int, int]] = field(default_factory=list)
    """A heap of (when, how many, tries)."""
    done: int = 0

    def arrive(self, at: int, count: int) -> None:
        """Queue some new versions."""
        if count:
            self.due.append((at, count))

    def ripen(self, at: int) -> None:
        """Let what waited long enough be due; as retries are leased first, they go to the front."""
        while self.later and self.later[0][0] <= at:
            when, count, _tries = heapq.heappop(self.later)
            self.due.appendleft((when, count))

    def take(self, count: int) -> int:
        """Lease up to so many, the oldest first."""
        left = count
        while left and self.due:
            since, there = self.due.popleft()
            used = min(left, there)
            left -= used
            if used < there:
                self.due.appendleft((since, there - used))
        return count - left

    def fail(self, at: int, count: int, tries: int) -> None:
        """Put some back for later."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**tries)
        if count:
            heapq.heappush(self.later, (at + pause, count, tries + 1))

    def backlog(self, at: int, held: int) -> Backlog:
        """Return what the catalog would say, `held` of it in workers' hands."""
        oldest = min((since for since, _ in self.due), default=at)
        depth = sum(count for _, count in self.due)
        return Backlog(max(0, depth - held), min(depth, held), timedelta(seconds=at - oldest))


def arrivals(at: int, dice: random.Random) -> int:
    """Return how many versions become wanted in the half minute that ends now."""
    hour = at / HOUR % 24
    calm = 0.005 if hour < 6 else 0.3 + 0.7 * math.sin(math.pi * (hour - 6) / 18)
    number = sum(dice.random() < calm * 0.1 for _ in range(20))
    if at % HOUR == 0:
        number += int(30 + 400 * calm * dice.uniform(0.5, 1.0)) if hour >= 6 else dice.randint(0, 10)
    bursts = {10 * HOUR: 8000, 16 * HOUR + 20 * 60: 3000}
    return number + bursts.get(at, 0)


def simulate(rule: Rule, *, seed: int = 1, hours: int = 24, calm: timedelta | None = None) -> Iterator[Moment]:
    """Yield each look of the scaler; `calm` may differ from the rule's, to see what it is for."""
    dice, queue, start = random.Random(seed), Queue(), datetime(2026, 3, 1, tzinfo=UTC)
    calm = rule.calm if calm is None else calm
    asked: deque[tuple[datetime, int]] = deque()
    coming: deque[tuple[int, int]] = deque()
    running = target = 0
    for at in range(0, hours * HOUR, TICK):
        queue.arrive(at, arrivals(at, dice))
        queue.ripen(at)
        backlog = queue.backlog(at, held=running * BATCH)
        wanted = workers(backlog, rule)
        now = start + timedelta(seconds=at)
        asked.append((now, wanted))
        while now - asked[0][0] >= max(calm, timedelta(seconds=TICK)):
            asked.popleft()
        following = max(wanted, steady(asked, now, calm))
        if following > target:
            coming.append((at + COMES, following - target))
        target = following
        while coming and coming[0][0] <= at:
            running += coming.popleft()[1]
        running = min(running, target)
        work(queue, at, running)
        yield Moment(at, backlog, wanted, target, running)


def work(queue: Queue, at: int, running: int) -> None:
    """Let workers work for one tick."""
    if OUT[0] <= at < OUT[1]:
        if at == OUT[0]:
            queue.fail(at, queue.take(running * FAILS_FIRST), 0)
        elif at % PROBE == 0:
            queue.fail(at, queue.take(running), 3)
    else:
        queue.done += queue.take(int(running * A_SECOND * TICK))


def changes(moments: list[Moment]) -> list[tuple[int, int]]:
    """Return when the number of workers that are asked for changed, and by how much."""
    pairs = pairwise(moments)
    return [(after.at, after.asked - before.asked) for before, after in pairs if after.asked != before.asked]


def turns(moments: list[Moment]) -> list[int]:
    """Return when it turned from growing to shrinking or back: that is flapping, when it happens often."""
    steps = changes(moments)
    return [at for (_, before), (at, by) in pairwise(steps) if before * by < 0]


def busiest(times: list[int]) -> int:
    """Return the most that fell into any one hour."""
    return max((sum(begin <= at < begin + HOUR for at in times) for begin in times), default=0)


def table(rule: Rule, seed: int = 1) -> str:
    """Return the table of docs/scaling.md: the same day with less and less calm."""
    rows = [
        "| calm | changes of the number | turns (up then down, or back) | most turns in an hour | worker hours |",
        "|---|---|---|---|---|",
    ]
    for calm in (rule.calm, rule.calm / 2, timedelta()):
        day = list(simulate(rule, seed=seed, calm=calm))
        hours = sum(moment.running for moment in day) * TICK / HOUR
        counts = f"{len(changes(day))} | {len(turns(day))} | {busiest(turns(day))}"
        rows.append(f"| {calm.total_seconds() / 60:.0f} min | {counts} | {hours:.0f} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    for moment in simulate(Rule()):
        if moment.at % (HOUR // 2) == 0:
            backlog, counts = moment.backlog, f"wanted {moment.wanted} asked {moment.asked} running {moment.running}"
            print(f"{moment.at / HOUR:5.1f} h  depth {backlog.depth:5}  oldest {backlog.oldest}  {counts}")
    print(table(Rule()))
