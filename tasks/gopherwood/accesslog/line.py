"""A line of the access log, and reading many: one JSON object a line, and whatever is none is skipped and counted.

A process that is killed leaves at most one half line behind, at the end of its file. Authority for the fields:
line.schema.json beside this file, which a test holds against what serving writes and against this reader.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gopherwood.accesslog.files import files_of_day
from gopherwood.objects import Objects

SCHEMA = Path(__file__).with_name("line.schema.json")
"""The JSON Schema of a line."""

LONGEST_LINE = 16 << 10
"""Bytes of a line; what is longer was not written by serving."""


class Line(NamedTuple):
    """What is known of one request."""

    time: str
    """When it arrived: RFC 3339, UTC, microseconds."""
    kind: str
    """Its class: list, info, mod, zip, latest, query, sumdb, ledger, index, page or other."""
    module: str
    """Module path; empty where the request names none."""
    version: str
    """Version, or the query of a `query`; empty for lists, and where the request names none."""
    method: str
    status: int
    outcome: str
    """What became of it; `hit` is an answer from memory."""
    bytes: int
    """Of the body that was sent."""
    micros: int
    """Microseconds from its arrival till its answer was handed to the server."""
    agent: str
    """Class of the user agent (agents.py)."""
    policy: str
    """Which way it said not to fetch: `cached-only`, `disable-module-fetch`, or empty."""
    miss: bool
    """Whether it asked for a module, a version or a file of one that is not held."""
    id: str
    """Names this request, among all."""
    trace: str
    """Trace id of its W3C `traceparent`; empty without one."""
    address: str = ""
    """Of the client, only where GOPHERWOOD_ACCESS_LOG_ADDRESSES asks for it."""

    @property
    def at(self) -> datetime:
        """When it arrived."""
        return datetime.fromisoformat(self.time)


TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


@dataclass(slots=True)
class Reading:
    """How a reading goes; whoever reads may pass one and look at it."""

    lines: int = 0
    skipped: int = 0
    """Lines that are none: cut off by a kill, or not ours."""


def parse(text: bytes) -> Line | None:
    """Return the line that a text is; None when it is none."""
    try:
        line = Line(**json.loads(text))
        if _TIME.fullmatch(line.time) is None:
            return None
        datetime.fromisoformat(line.time)
    except (ValueError, TypeError, RecursionError):
        return None
    numbers = (line.status, line.bytes, line.micros)
    if not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers) or type(line.miss) is not bool:
        return None
    return line if all(type(text) is str for text in (*line[1:5], line.outcome, *line[9:11], *line[12:])) else None


def lines(file: BinaryIO, reading: Reading | None = None) -> Iterator[Line]:
    """Yield the lines of one file as they were written: nearly, but not quite, in the order of their times."""
    reading = reading if reading is not None else Reading()
    while text := file.readline(LONGEST_LINE):
        if (line := parse(text)) is None:
            reading.skipped += 1
        else:
            reading.lines += 1
            yield line


def lines_between(logs: Objects, since: datetime, until: datetime, reading: Reading | None = None) -> Iterator[Line]:
    """Yield the lines of requests that arrived from `since` on and before `until`, file by file.

    Made for a load replay, which sorts what it plays by `time`. Files begun up to a day after `until` are looked at.
    """
    first, last = time_text(since), time_text(until)
    for number in range(-1, (until - since).days + 3):
        for each in files_of_day(logs, since.astimezone(UTC).date() + timedelta(days=number)):
            with logs.open(each.key) as file:
                yield from (line for line in lines(file, reading) if first <= line.time < last)


def time_text(at: datetime) -> str:
    """Return a time as lines have it: texts of this form compare as the times do."""
    return f"{at.astimezone(UTC):{TIME}}"
