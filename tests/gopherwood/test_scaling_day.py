"""A simulated day of bursts, a quiet night and an upstream that is out: workers follow the queue, and do not flap."""

from datetime import timedelta
from pathlib import Path

import pytest

from fakes import day
from fakes.day import HOUR, OUT, TICK, Moment
from gopherwood.scaling import Rule

RULE = Rule()
DOCS = Path(__file__).parents[2] / "docs" / "scaling.md"


@pytest.fixture(scope="module", params=[1, 2, 3])
def moments(request: pytest.FixtureRequest) -> list[Moment]:
    """Return a whole day, of three different ones."""
    return list(day.simulate(RULE, seed=request.param))


def test_workers_follow_a_burst(moments: list[Moment]) -> None:
    """Eight thousand versions at once: all workers are asked for in the same look, and are there when they can be."""
    at = {moment.at: moment for moment in moments}
    assert at[10 * HOUR].asked == RULE.most
    assert at[10 * HOUR + day.COMES].running == RULE.most
    assert at[10 * HOUR + 25 * 60].backlog.depth < RULE.per_worker


def test_nobody_stands_about_at_night(moments: list[Moment]) -> None:
    """There is no worker most of the night, and never more than one; an hour after a burst hardly any are left."""
    night = [moment.running for moment in moments if moment.at < 6 * HOUR]
    assert max(night) == 1
    assert night.count(0) > len(night) / 2
    assert {moment.asked for moment in moments if 17.1 * HOUR < moment.at < 17.9 * HOUR} <= {0, 1, 2}


def test_numbers_do_not_flap(moments: list[Moment]) -> None:
    """It turns at most once in each calm, eight times in any hour; without calm the same day has hundreds of turns."""
    turned = day.turns(moments)
    assert day.busiest(turned) <= 8
    falls = [at for at, by in day.changes(moments) if by < 0]
    rises = [at for at, by in day.changes(moments) if by > 0]
    calm = RULE.calm.total_seconds()
    assert all(fall - max((at for at in rises if at < fall), default=-calm) >= calm for fall in falls)
    assert len(day.turns(list(day.simulate(RULE, calm=timedelta())))) > 5 * len(turned)


def test_the_wait_is_bounded(moments: list[Moment]) -> None:
    """Nothing waits longer than the largest burst takes all workers, but for an outage; and soon after it no longer."""
    takes = timedelta(seconds=8500 / (RULE.most * day.A_SECOND) + day.COMES + 2 * TICK)
    usual = [m for m in moments if not OUT[0] <= m.at < OUT[1] + takes.total_seconds()]
    assert max(moment.backlog.oldest for moment in usual) <= takes
    assert max(moment.backlog.oldest for moment in moments) <= timedelta(seconds=OUT[1] - OUT[0])


def test_bounds_hold(moments: list[Moment]) -> None:
    """However long the upstream is out, there are never more workers than the pool takes; and the day ends drained."""
    assert {moment.asked for moment in moments} <= set(range(RULE.most + 1))
    assert moments[-1].backlog.depth < 100


def test_the_handbook_has_these_figures() -> None:
    """docs/scaling.md has the table that the simulation makes (`python tests/fakes/day.py` prints it)."""
    assert day.table(RULE) in DOCS.read_text()
