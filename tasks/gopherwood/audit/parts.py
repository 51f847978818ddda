"""The parts that the store is scrubbed in, and how much of it a run does.

A part is the module paths whose SHA-256 begins with two hexadecimal digits: at most 256 parts of about the same size,
which stay what they are whatever is published. One more part, `names`, reads no bytes: it walks the names in the store
and looks for files that nobody published.
"""

import argparse
import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gopherwood.catalog import part_of

NAMES = "names"

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "s": 1, "m": 60, "h": 3600}
_BUDGET = re.compile(rf"([0-9]+(?:\.[0-9]+)?) ?({'|'.join(_UNITS)})")


def by_part(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return module paths by their part, sorted in each."""
    found = defaultdict(list)
    for path in sorted(paths):
        found[part_of(path)].append(path)
    return found


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend: bytes read, or seconds."""

    bytes: float = math.inf
    seconds: float = math.inf


def budget(text: str) -> Budget:
    """Parse `20GB` or `90m`, for argparse."""
    if not (match := _BUDGET.fullmatch(text.strip())):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of bytes or time, such as 20GB or 90m")
    amount = float(match[1]) * _UNITS[match[2]]
    return Budget(seconds=amount) if match[2] in "smh" else Budget(bytes=amount)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of the store a run does."""

    before: datetime
    """Parts that were done since are not due."""
    parts: float = math.inf
    """Parts that this run does."""
    share: tuple[int, datetime] | None = None
    """Parts that all runs together begin since a time."""
    budget: Budget = Budget()


def extent(
    now: datetime,
    days: int,
    there_are: int,
    *,
    everything: bool = False,
    parts: int | None = None,
    budget: Budget | None = None,
) -> Extent:
    """Return what a run is to do that begins now; by default a day's share of `there_are` parts in so many days."""
    spend = budget or Budget()
    if everything or parts:
        return Extent(before=now, parts=parts or math.inf, budget=spend)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Extent(before=midnight, share=(math.ceil(there_are / days), midnight), budget=spend)
