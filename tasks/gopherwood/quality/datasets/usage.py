"""Usage: that what was counted of the access log adds up, is about what we hold, and came from whom it can have come.

The rows are those of the Parquet files beside the store (docs/usage.md), an hour at a time, and the hours that wait.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from gopherwood.accesslog import AGENTS
from gopherwood.catalog.schema import to_micros
from gopherwood.module import ModuleVersion
from gopherwood.quality.rules import STOP, WARN, Cut, DataSet, Drift, Piece, Row, Table, frame, sound
from gopherwood.states import State
from gopherwood.usage import tables

FILES = ("info", "mod", "zip")
COLUMNS = ("kind", "module", "version", "method", "status", "agent", "requests", "bytes")
LATE = timedelta(hours=6)
"""How long an hour may have lines that nobody counted."""
_FILE = re.compile(r"requests/day=(\d{4}-\d{2}-\d{2})/(\d{2})\.parquet")


def cut(cut: Cut) -> Iterator[Piece]:
    """Yield the files' rows of the interval, or of the last day, an hour each; and the hours that were counted."""
    since, until = cut.day
    usage = tables.open_usage(cut.settings)
    requests = moved = 0
    for hour in sorted(filter(None, map(_hour, usage.keys("requests/")))):
        if not since - timedelta(hours=1) < hour < until:
            continue
        found = tables.read(usage, "requests", hour, list(COLUMNS))
        rows: list[Row] = [] if found is None else found.to_dict("records")  # none: taken away since it was listed
        requests += sum(row["requests"] for row in rows)
        moved += sum(row["bytes"] for row in rows)
        yield "requests", _columns(cut, rows, hour)
    hours = cut.catalog.usage_hours(since, until)
    limit = cut.catalog.clock() - LATE
    yield (
        "hours",
        {
            "hour": [each.begins.isoformat() for each in hours],
            "counted": ["waits" if each.stale and each.begins < limit else "" for each in hours],
        },
    )
    if requests:
        cut.measures |= {"requests": requests, "bytes": moved}


def _hour(key: str) -> datetime | None:
    match = _FILE.fullmatch(key)
    return datetime.fromisoformat(f"{match[1]}T{match[2]}:00:00+00:00") if match else None


def _columns(cut: Cut, rows: list[Row], hour: datetime) -> dict[str, list[Any]]:
    names = sorted({ModuleVersion(row["module"], row["version"]) for row in rows if row["kind"] in FILES})
    known = cut.catalog.rows_of(names)
    columns: dict[str, list[Any]] = {**frame(rows, ("kind", "module", "version", "agent"))}
    columns["hour"] = [hour.isoformat()] * len(rows)
    columns["counts"] = [_counts(row) for row in rows]
    columns["who"] = ["" if row["agent"] in AGENTS else f"{row['agent']!r}" for row in rows]
    columns["adds_up"] = []
    columns["held"] = []
    end = to_micros(hour + timedelta(hours=1))
    for row in rows:
        of = known.get(ModuleVersion(row["module"], row["version"])) if row["kind"] in FILES else None
        is_whole = row["kind"] == "zip" and row["method"] == "GET" and row["status"] == 200
        size = of.facts.get("zip_size") if of else None
        wanted = row["requests"] * size if is_whole and size else None
        says = f"{row['bytes']} bytes, {row['requests']} times {size} is {wanted}"
        columns["adds_up"].append("" if wanted in (None, row["bytes"]) else says)
        is_held = of is not None and of.state is State.PUBLISHED and to_micros(of.published_at or hour) < end
        columns["held"].append("" if not is_whole or is_held else "it was not published then")
    return columns


def _counts(row: Row) -> str:
    return "" if row["requests"] > 0 and row["bytes"] >= 0 else f"{row['requests']} requests, {row['bytes']} bytes"


DATA_SET = DataSet(
    "usage",
    "What was counted of the access log in the last day.",
    cut,
    (
        Table(
            "requests",
            ("hour", "kind", "module", "version"),
            (
                sound("counts-positive", STOP, "A sum of nothing, or of less, was not counted.", "counts"),
                sound("bytes-add-up", WARN, "Whole zips sent, times their size, are not the bytes sent.", "adds_up"),
                sound("sent-what-is-held", STOP, "A zip was sent of a version that was not published then.", "held"),
                sound("agent-possible", WARN, "No client is of this class: the log was not written by us.", "who"),
            ),
        ),
        Table(
            "hours",
            ("hour",),
            (sound("hours-counted", WARN, "For six hours nobody counted lines of this hour.", "counted"),),
        ),
    ),
    (
        Drift("requests", "Far more or fewer requests than usual: a client broke, or nobody gets through."),
        Drift("bytes", "Far more or fewer bytes than usual were sent."),
    ),
)
