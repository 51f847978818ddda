"""From what is known to a verdict: `pass` only when everything that must be known is known, and good.

A run keeps a *check* for each thing that was looked at. Whatever was not looked at has none, so that a run that died,
or a step that was forgotten, can never look like one that went well.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gopherwood.chaos.values import Verdict

REFUSED = "refused"
"""A guard rail said no."""
DRY = "dry"
"""It was a dry run."""
BEFORE = "steady-before"
INJECTED = "injected"
CLIENTS = "clients-were-there"
AFTER = "steady-after"
STORE = "store"
RESTORED = "restored"
WORK = "work"

PREMISES = frozenset({BEFORE, INJECTED, CLIENTS})
"""Without these nothing was tried: a no is no failure of the platform."""
ALWAYS = frozenset({BEFORE, INJECTED, AFTER, STORE, RESTORED})


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool | None
    """None: it could not be told."""
    says: str
    """What was found: of a no, why."""
    integrity: bool = False
    """Whether a no means that something published is lost, half or changed."""


def judge(checks: Iterable[Check], required: Collection[str]) -> tuple[Verdict, str]:
    """Return the verdict of a run that was meant, and the sentence that says why."""
    known = list(checks)
    for name, verdict in ((REFUSED, Verdict.REFUSED), (DRY, Verdict.DRY_RUN)):
        if found := next((each for each in known if each.name == name), None):
            return verdict, found.says
    # What harm was seen counts, whatever else is not known.
    if bad := [each for each in known if each.ok is False and each.name not in PREMISES]:
        return Verdict.FAIL, "; ".join(each.says for each in sorted(bad, key=lambda each: not each.integrity))
    if open_ := [each for each in known if each.ok is not True]:
        return Verdict.INCONCLUSIVE, "; ".join(each.says for each in open_)
    if missing := sorted(set(required) - {each.name for each in known}):
        return Verdict.INCONCLUSIVE, f"nobody looked at {', '.join(missing)}"
    return Verdict.PASS, ""
