"""How the pages put things: words for states, sizes of time, and what of a run's work is worth a column.

A column names a field of what serving says was done in an interval (`Activity` of the catalog).
"""

from datetime import UTC, datetime
from typing import Any

STATES = {
    "queued": "wait to be fetched",
    "leased": "are being fetched",
    "staged": "wait to be checked",
    "valid": "wait to be published",
    "failed": "are tried again later",
    "held": "are held by a policy",
    "published": "are published",
    "rejected": "were rejected",
    "gone": "are gone upstream",
}
"""What versions in a state do, in the order of their way."""
OPEN = ("queued", "leased", "staged", "valid", "failed")

COLUMNS = {
    "audit": (("re-read", "scrubbed"), ("damaged", "damaged"), ("origins asked", "origins")),
    "discover": (("read in the index", "read"),),
    "ingest": (("published", "published"), ("refused", "refused")),
    "quality": (("data sets", "checked"), ("rules broken", "stops"), ("warnings", "warnings")),
    "usage": (("lines counted", "counted"),),
}
"""By DAG: what its runs are for, as titles and fields."""
BLOCKS = {
    "chaos": ("chaos",),
    "discover": ("queue",),
    "ingest": ("queue", "refused"),
    "load_test": ("load",),
    "quality": ("quality",),
}
"""By DAG: the parts of the view "Modules" that its tab repeats."""

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def span(seconds: float | None) -> str:
    """Return a length of time as people say it, by its largest unit."""
    for size, name in _UNITS:
        if seconds is not None and seconds >= size:
            number = int(seconds // size)
            return f"{number} {name}{'s' if number > 1 else ''}"
    return "" if seconds is None else "under a second"


def took(seconds: int | None) -> str:
    """Return how long something took, to the second; nothing for what has not begun."""
    if seconds is None:
        return ""
    minutes, rest = divmod(max(0, seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def ago(moment: datetime | str | None) -> str:
    """Return how long ago something was."""
    if not moment:
        return "never"
    time = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{span(max(0.0, (datetime.now(UTC) - time).total_seconds()))} ago"


def utc(moment: datetime | str | None) -> str:
    """Return a time as it is read in tables."""
    if not moment:
        return ""
    time = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def number(value: Any) -> str:
    """Return a count with its thousands apart; nothing for what is no number."""
    return f"{value:,}" if isinstance(value, int) else ""


def bars(counts: list[int], height: int = 40) -> list[tuple[int, int, int]]:
    """Return a bar for each count: its place, its top and its height, in a picture so high."""
    most = max([*counts, 1])
    tall = [max(1, round(height * count / most)) if count else 0 for count in counts]
    return [(place * 10, height - each, each) for place, each in enumerate(tall)]
