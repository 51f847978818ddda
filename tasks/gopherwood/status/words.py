"""Words that the answers about versions share: why a version is where it is, how long ago, how many."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gopherwood.catalog import Catalog, VersionRow
from gopherwood.states import State

UNPUBLISHED = 100_000
"""Versions of all modules that are not published, looked through for those of one module."""


def line(row: VersionRow) -> dict[str, str]:
    """Return what a line about a version says."""
    return {"module": str(row.mv), "state": row.state.value, "reason": row.reason, "detail": row.detail}


def why(row: dict[str, Any]) -> str:
    """Return a version's reason and its details, as far as there are any."""
    return ": ".join(part for part in (row["reason"], row["detail"]) if part)


def look_back(look: Mapping[str, Any]) -> str:
    """Return what is known of a version's origin by now, and since when."""
    says = look["finding"] if look["finding"] != "new" else f"due {at(look['due_at'])}"
    if look["checked_at"]:
        says += f", {at(look['checked_at'])}"
    if look["baseline_at"]:
        says += f"; first seen on {look['baseline_at']:%Y-%m-%d}, no upstream named a commit"
    parts = [says, look["detail"], look["evidence"], look["problem"] and f"no answer since: {look['problem']}"]
    return "; ".join(part for part in parts if part)


def counted(counts: Mapping[str, int]) -> str:
    """Return what there is, each with its number."""
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def duration(seconds: float) -> str:
    """Return a span of time in the largest unit that says it well."""
    for size, unit in ((31_557_600, "years"), (86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def at(time: datetime) -> str:
    """Return a time for people, with how long ago that was, or how far off it is."""
    passed = datetime.now(UTC) - time
    far = (
        f"{duration(passed.total_seconds())} ago" if passed > timedelta() else f"in {duration(-passed.total_seconds())}"
    )
    return f"{time:%Y-%m-%d %H:%M:%S} UTC ({far})"


def unpublished(catalog: Catalog) -> list[VersionRow]:
    """Return the versions that are not published, those that changed last first."""
    return catalog.recent([state for state in State if state is not State.PUBLISHED], limit=UNPUBLISHED)
