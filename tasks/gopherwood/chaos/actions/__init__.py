"""What experiments do. Each function named by a file makes an action; nothing happens till the runner lets it.

Two kinds. A `Strike` hits somebody of the running platform: the runner asks who is there, the guard rails choose, and
each victim is looked at once more before it is hit. A `Rehearsal` hits a platform of its own, made for it in a folder
of the run, with what we have published as its upstream: nothing of ours is at risk, so neither opt-in nor age is asked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gopherwood.chaos.values import Victim
from gopherwood.chaos.world import World

Facts = Mapping[str, Any]


class Strike(Protocol):
    """An action against somebody of the platform."""

    number: int
    """How many it is to hit; the guard rails may allow fewer."""
    says: str
    """What it does to one, in words."""

    def everybody(self, world: World) -> list[Victim]:
        """Return all of the role who are alive, willing or not. Raises GuardError where nobody can be found at all."""

    def budget(self, world: World, everybody: Sequence[Victim]) -> int | None:
        """Return how many the disruption budgets allow to go now; None where there are none."""

    def look(self, world: World, victim: Victim) -> Victim | None:
        """Look at a victim once more; None when it is gone."""

    def hit(self, world: World, victim: Victim) -> Facts:
        """Hit it; return what is worth keeping. Raises GuardError when somebody else refuses."""

    def undo(self, world: World, victim: Facts) -> str:
        """Undo it, if it can be undone; done twice it does no harm. Return what was done, in words."""

    def is_ready(self, world: World, before: Sequence[Victim], hit: Sequence[Victim]) -> bool:
        """Tell whether what was hit has been replaced, or works again."""


class Rehearsal(Protocol):
    """An action on a platform of its own."""

    says: str

    def possible(self, world: World) -> None:
        """Raise GuardError where it cannot be made here, and say what is missing."""

    def perform(self, world: World) -> Facts:
        """Make it; return `Work` as facts."""
