"""A verdict is never green by accident."""

import pytest

from gopherwood.chaos import verdict as rules
from gopherwood.chaos.clients import Asked, recovery, summary
from gopherwood.chaos.values import Verdict
from gopherwood.chaos.verdict import ALWAYS, Check, judge

ALL = [Check(name, True, f"{name} is well") for name in sorted(ALWAYS)]


def test_all_that_is_required_and_good_passes():
    assert judge(ALL, ALWAYS) == (Verdict.PASS, "")


@pytest.mark.parametrize("name", sorted(ALWAYS))
def test_whatever_was_not_looked_at_is_inconclusive(name):
    """Without any one of the checks, also when nothing was looked at, nothing passes."""
    verdict, says = judge([each for each in ALL if each.name != name], ALWAYS)
    assert (verdict, name in says) == (Verdict.INCONCLUSIVE, True)
    assert judge([], ALWAYS)[0] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("name", sorted(ALWAYS))
@pytest.mark.parametrize("ok", [False, None])
def test_what_is_not_well_never_passes(name, ok):
    """A no is a failure, or, of a premise, no experiment; an unknown is neither; each says why."""
    verdict, says = judge([*(each for each in ALL if each.name != name), Check(name, ok, "because")], ALWAYS)
    failed = ok is False and name not in rules.PREMISES
    assert (verdict, says) == (Verdict.FAIL if failed else Verdict.INCONCLUSIVE, "because")


def test_harm_counts_whatever_else_is_unknown():
    """Lost work is a failure also of a run that was stopped; the worst is said first."""
    checks = [Check("stopped", None, "was stopped"), Check("slow", False, "slow"), Check("store", False, "lost", True)]
    assert judge(checks, ALWAYS) == (Verdict.FAIL, "lost; slow")


def test_a_refusal_and_a_dry_run_are_what_they_are():
    assert judge([Check(rules.REFUSED, False, "no")], ALWAYS) == (Verdict.REFUSED, "no")
    assert judge([Check(rules.DRY, None, "would")], ALWAYS) == (Verdict.DRY_RUN, "would")


def test_what_clients_saw():
    """The window is the longest stretch without an answer, recovery the time till the last bad request is past."""
    asked = [Asked(float(n), 0.01, "refused" if n in (3, 4, 7) else "") for n in range(10)]
    seen = summary(asked, 2.5)
    assert (seen["failed"], seen["error_window_seconds"], seen["recovery_seconds"]) == (3, 2.0, 5.5)
    assert seen["availability"] == 0.7
    slow = [*asked[:3], Asked(3.0, 1.5), *asked[5:7], *asked[8:]]
    assert (summary(slow, 2.5)["failed"], recovery(slow, 2.5)) == (0, 2.5)
    assert recovery(asked[:5], 2.5) is None
    assert recovery(asked[:3], 1.5) == 0.0
