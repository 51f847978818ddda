"""The words of an experiment's run: verdicts, victims, and the one way to say no."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gopherwood.errors import OursError


class Verdict(StrEnum):
    """What a run came to."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    """Something that must be known for a verdict is not known."""
    REFUSED = "refused"
    """A guard rail said no: nothing was harmed."""
    DRY_RUN = "dry-run"


class GuardError(OursError):
    """A guard rail says no; the message says which, and why."""

    retry = False
    reason = "refused"


class InconclusiveError(OursError):
    """Nothing can be said of the platform, because the experiment itself did not go as it must."""

    retry = False
    reason = "inconclusive"


@dataclass(frozen=True, slots=True)
class Victim:
    """Whom an action may hit: a process or a pod, as it was when it was looked at."""

    kind: str
    """process or pod"""
    name: str
    identity: str
    """Of a process its id and start, of a pod its uid: never another's."""
    role: str
    namespace: str
    """Whose it is: of a process the home of its platform."""
    age: float
    """Seconds."""
    opted_in: bool
    node: str = ""

    def facts(self) -> dict[str, Any]:
        """Return it for the journal."""
        names = ("kind", "name", "identity", "role", "namespace", "node")
        return {name: getattr(self, name) for name in names} | {"age_seconds": round(self.age, 1)}
