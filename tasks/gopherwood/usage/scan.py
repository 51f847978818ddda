"""Looks through files of the access log that are new or have grown: of which hours each has lines."""

import logging
from collections import Counter
from datetime import UTC, datetime
from threading import Event

from gopherwood.accesslog import FileName, Reading, lines
from gopherwood.catalog import Catalog
from gopherwood.objects import MissingError, Objects

log = logging.getLogger(__name__)

HOUR_DIGITS = len("2026-03-01T12")
"""Characters of a line's time that say its hour."""


def hour_of(time: str) -> datetime:
    """Return when the hour of a line's time began."""
    return datetime.strptime(time[:HOUR_DIGITS], "%Y-%m-%dT%H").replace(tzinfo=UTC)


def look(logs: Objects, catalog: Catalog, reading: Reading, stop: Event) -> int:
    """Note the hours of each file that has not been looked through as it is now; return how many files that were.

    A file in a folder may still be growing; an object in a bucket was finished before it was put there.
    """
    known, looked = catalog.log_files(), 0
    for key in sorted(filter(FileName.parse, logs.keys())):
        if stop.is_set():
            break
        if key in known and logs.local_path(key) is None:
            continue
        size = logs.size(key)
        if size is None or size == known.get(key):
            continue
        try:
            with logs.open(key) as file:
                hours = Counter(line.time[:HOUR_DIGITS] for line in lines(file, reading))
        except MissingError:  # moved to where finished files go
            continue
        catalog.note_log_file(key, size, {hour_of(hour): count for hour, count in hours.items()})
        looked += 1
    return looked
