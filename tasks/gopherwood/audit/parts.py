"""The parts that the store is scrubbed in, and how much of it a run does.

A part is the module paths whose SHA-256 begins with two hexadecimal digits: at most 256 parts of about the same size,
which stay what they are whatever is published. One more part, `names`, reads no bytes: it walks the names in the store
and looks for files that nobody published.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gopherwood.audit.budget import Budget
from gopherwood.catalog import part_of

NAMES = "names"


def by_part(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return module paths by their part, sorted in each."""
    found = defaultdict(list)
    for path in sorted(paths):
        found[part_of(path)].append(path)
    return found


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of the store a run does."""

    before: datetime
    """Parts that were done since are not due."""
    parts: float = math.inf
    """Parts that this run does."""
    share: tuple[int, datetime] | None = None
    """Parts that all runs together begin since a time."""
    budget: Budget = field(default_factory=Budget)


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
