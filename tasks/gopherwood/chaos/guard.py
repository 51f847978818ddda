"""The guard rails: whom an experiment may hit, when, and how many. Each is one function, and each says why it says no.

They are pure: what is true of the world is passed in. They are asked when an experiment begins, and those about a
victim once more in the moment before it is hit. In the order of asking: window, namespace, opt-in, not ourselves, age,
number and share, disruption budget. What cannot be known counts as no. The ideas are those of chaoskube (dry run),
kube-monkey (opt-in by a label), Chaos Mesh (own namespace).
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gopherwood.chaos.values import GuardError, Victim
from gopherwood.errors import UsageError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of some days of the week, in a time zone."""

    days: frozenset[int]
    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `Mon-Fri 09:00-17:00 UTC` (days may be left out). Raises UsageError."""
        try:
            days, hours, zone = ["mon-sun", *text.split()][-3:]
            first, _, last = days.lower().partition("-")
            begin, _, end = hours.partition("-")
            start, length = DAYS.index(first), (DAYS.index(last or first) - DAYS.index(first)) % 7 + 1
            those = frozenset((start + number) % 7 for number in range(length))
            return cls(those, time.fromisoformat(begin), time.fromisoformat(end), ZoneInfo(zone))
        except (ValueError, ZoneInfoNotFoundError):
            raise UsageError(f"{text!r} is no window", hint="e.g. Mon-Fri 09:00-17:00 UTC") from None

    def has(self, now: datetime) -> bool:
        """Tell whether a time is in it; one over midnight is of the day that it begins on."""
        there = now.astimezone(self.zone)
        clock, day = there.time(), there.weekday()
        if self.begin <= self.end:
            return day in self.days and self.begin <= clock < self.end
        return (day in self.days and clock >= self.begin) or ((day - 1) % 7 in self.days and clock < self.end)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an experiment's file says of whom it may hit."""

    at_most: int = 1
    at_most_percent: int = 100
    keep: int = 0
    """So many of a role must be left, whatever the budget says."""
    minimum_age: float = 60.0
    """Seconds."""
    windows: tuple[Window, ...] = ()
    """None: at any time."""

    @classmethod
    def of(cls, said: dict[str, Any]) -> Self:
        """Read them from a file. Raises UsageError."""
        windows = tuple(Window.parse(text) for text in said.get("windows", ()))
        rest = {name: said[name] for name in ("at_most", "at_most_percent", "keep") if name in said}
        return cls(minimum_age=float(said.get("minimum_age_seconds", 60.0)), windows=windows, **rest)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is true of us, and of who may be hit now."""

    namespace: str
    """Ours."""
    now: datetime
    ourselves: frozenset[str] = frozenset()
    """Identities that the runner lives by: hit, they would end it."""
    budget: int | None = None
    """How many the disruption budgets allow to go now; None where there is none."""


def in_window(limits: Limits, now: datetime) -> None:
    """Refuse outside of all windows."""
    if limits.windows and not any(window.has(now) for window in limits.windows):
        raise GuardError(f"it is {now:%a %H:%M} UTC, outside of every window of the experiment")


def choose(victims: Sequence[Victim], limits: Limits, ground: Ground, seed: int, number: int) -> list[Victim]:
    """Return whom to hit, `number` at most, drawn by the seed from all of a role that are alive. Raises GuardError."""
    in_window(limits, ground.now)
    if not victims:
        raise GuardError("nobody is there who could be hit")
    own = [each for each in victims if each.namespace == ground.namespace]
    if not own:
        raise GuardError(f"nobody of them is of {ground.namespace}, and nobody else is ever hit")
    willing = [each for each in own if each.opted_in]
    if not willing:
        raise GuardError(f"none of {len(own)} has opted in: {_names(own)}")
    others = [each for each in willing if each.identity not in ground.ourselves]
    if not others:
        raise GuardError(f"the experiment itself lives by {_names(willing)}: it would not see the end")
    old = [each for each in others if each.age >= limits.minimum_age]
    if not old:
        ages = ", ".join(f"{each.name} {each.age:.0f} s" for each in others)
        raise GuardError(f"all are younger than {limits.minimum_age:.0f} s: {ages}")
    most = _most(len(own), limits, ground, number)
    return random.Random(seed).sample(sorted(old, key=lambda each: each.name), min(most, len(old)))  # noqa: S311


def _most(there_are: int, limits: Limits, ground: Ground, number: int) -> int:
    """Return how many may be hit; raises GuardError when that is none."""
    share = there_are * limits.at_most_percent // 100
    if share < 1:
        raise GuardError(f"{limits.at_most_percent} % of {there_are} is nobody")
    left = there_are - limits.keep
    if left < 1:
        raise GuardError(f"{limits.keep} must be left, and there are {there_are}")
    if ground.budget is not None and ground.budget < 1:
        raise GuardError("the disruption budget allows nobody to go now")
    return min(number, limits.at_most, share, left, there_are if ground.budget is None else ground.budget)


def still(victim: Victim, now: Victim | None, limits: Limits, moment: datetime) -> None:
    """Refuse to hit a victim that is not, in this moment, what it was when it was chosen."""
    in_window(limits, moment)
    if now is None or now.identity != victim.identity:
        raise GuardError(f"{victim.name} is not there any more, or another one is called so by now")
    if now.namespace != victim.namespace:
        raise GuardError(f"{victim.name} is not ours")
    if not now.opted_in:
        raise GuardError(f"{victim.name} has opted out")


def _names(victims: Collection[Victim]) -> str:
    listed = sorted(each.name for each in victims)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
