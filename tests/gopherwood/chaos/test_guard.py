"""Each guard rail refuses on its own, and says why; with none in the way the seed alone says who is hit."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gopherwood.chaos.guard import Ground, Limits, Window, choose, still
from gopherwood.chaos.values import GuardError, Victim
from gopherwood.errors import UsageError

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)  # a Wednesday
GROUND = Ground("ours", NOW)
LIMITS = Limits(at_most=2, minimum_age=60)
ALL = [Victim("pod", f"p{number}", f"u{number}", "serving", "ours", 3600.0, True) for number in range(4)]


def refused(victims=ALL, limits=LIMITS, ground=GROUND, number=2) -> str:
    with pytest.raises(GuardError) as error:
        choose(victims, limits, ground, 1, number)
    return str(error.value)


def test_the_seed_says_who_is_hit():
    """The same seed hits the same victims, another one others in time, and never more than may be hit."""
    drawn = {tuple(v.name for v in choose(ALL, LIMITS, GROUND, seed, 9)) for seed in range(30)}
    assert {len(names) for names in drawn} == {2}
    assert len(drawn) > 5
    assert choose(ALL, LIMITS, GROUND, 7, 2) == choose(ALL[::-1], LIMITS, GROUND, 7, 2)


def test_nobody_is_there():
    assert "nobody is there" in refused([])


def test_other_namespaces_are_never_hit():
    assert "nobody of them is of ours" in refused([replace(each, namespace="theirs") for each in ALL])


def test_who_has_not_opted_in_is_left_alone():
    assert "none of 4 has opted in" in refused([replace(each, opted_in=False) for each in ALL])
    only = [replace(each, opted_in=each.name == "p2") for each in ALL]
    assert [each.name for each in choose(only, LIMITS, GROUND, 1, 2)] == ["p2"]


def test_what_the_runner_lives_by_is_left_alone():
    assert "it would not see the end" in refused(ground=replace(GROUND, ourselves=frozenset(v.identity for v in ALL)))


def test_the_young_are_left_alone():
    assert "younger than 60 s" in refused([replace(each, age=59.0) for each in ALL])


def test_at_most_so_many_percent():
    assert "20 % of 4 is nobody" in refused(limits=replace(LIMITS, at_most_percent=20))
    assert len(choose(ALL, replace(LIMITS, at_most=9, at_most_percent=75), GROUND, 1, 9)) == 3


def test_some_must_be_left():
    assert "4 must be left" in refused(limits=replace(LIMITS, keep=4))
    assert len(choose(ALL, replace(LIMITS, at_most=9, keep=1), GROUND, 1, 9)) == 3


def test_never_below_the_disruption_budget():
    assert "disruption budget" in refused(ground=replace(GROUND, budget=0))
    assert len(choose(ALL, LIMITS, replace(GROUND, budget=1), 1, 2)) == 1


@pytest.mark.parametrize(
    ("window", "is_open"),
    [
        ("Mon-Fri 09:00-17:00 UTC", True),
        ("09:00-17:00 UTC", True),
        ("Wed 12:30-12:31 UTC", True),
        ("Thu 09:00-17:00 UTC", False),
        ("Sat-Sun 00:00-23:59 UTC", False),
        ("Fri-Wed 13:00-14:00 Europe/Berlin", True),
        ("Tue 22:00-13:00 UTC", True),
        ("Wed 22:00-13:00 UTC", False),
    ],
)
def test_windows(window, is_open):
    """Outside of its windows an experiment is refused, in whatever time zone they are and over midnight."""
    limits = replace(LIMITS, windows=(Window.parse(window),))
    if is_open:
        assert choose(ALL, limits, GROUND, 1, 1)
        still(ALL[0], ALL[0], limits, NOW)
    else:
        assert "outside of every window" in refused(limits=limits)
        with pytest.raises(GuardError):
            still(ALL[0], ALL[0], limits, NOW)


@pytest.mark.parametrize("text", ["", "09:00 UTC", "Foo 09:00-10:00 UTC", "09:00-10:00", "09:00-10:00 Nowhere/None"])
def test_malformed_windows(text):
    """A window that nobody can understand is an error, and no window that is always open."""
    with pytest.raises(UsageError):
        Window.parse(text)


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (None, "not there any more"),
        (replace(ALL[0], identity="another"), "another one is called so"),
        (replace(ALL[0], namespace="theirs"), "not ours"),
        (replace(ALL[0], opted_in=False), "has opted out"),
    ],
)
def test_a_victim_is_looked_at_once_more(now, says):
    """What was true when it was chosen must be true in the moment before it is hit."""
    with pytest.raises(GuardError, match=says):
        still(ALL[0], now, LIMITS, NOW)
