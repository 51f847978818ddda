"""The work of the verb: look for what is not counted, count each such hour, remove files of the log that are old.

One runs at a time. An hour is written, then the downloads of its day, then it is marked as counted: killed in between,
the next run does it again, with the same result.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Event

from gopherwood.accesslog import FileName, Line, Reading, lines, open_logs
from gopherwood.catalog import Catalog, UsageHour
from gopherwood.config import Settings
from gopherwood.objects import MissingError, Objects
from gopherwood.usage import scan, tables
from gopherwood.usage.frames import Hour
from gopherwood.usage.summary import Rolled, Summary

log = logging.getLogger(__name__)


def run(settings: Settings, since: datetime | None, until: datetime | None, *, top: int, stop: Event) -> Rolled:
    """Count what is to be counted; see `usage.run`."""
    logs, usage = open_logs(settings), tables.open_usage(settings)
    with Catalog.ready(settings) as catalog, catalog.lock("usage"):
        reading = Reading()
        looked = scan.look(logs, catalog, reading, stop)
        wanted = _wanted(catalog, since, until)
        summary, counted, late, too_late, read = Summary(), [], 0, 0, 0
        for hour in wanted:
            if stop.is_set():
                break
            sums = _count(logs, catalog, hour.begins)
            if sums is None:
                too_late += hour.stale
                catalog.hour_rolled(hour.begins, None)
                continue
            tables.write(usage, hour.begins, sums)
            catalog.set_downloads(hour.begins.date(), tables.downloads(usage, hour.begins.date()))
            catalog.hour_rolled(hour.begins, sums.lines)
            summary.add(sums.requests, sums.latency)
            counted.append(hour)
            read += sums.lines
            late += since is not None and hour.begins < since
            log.info("counted", extra={"hour": hour.begins.isoformat(), "lines": sums.lines})
        removed = 0 if stop.is_set() else _remove_old(logs, catalog, settings.access_log_days)
        return Rolled(
            hours=len(counted),
            late=late,
            too_late=too_late,
            files=looked,
            lines=read,
            skipped=reading.skipped,
            removed=removed,
            **summary.said(top),
        )


def _wanted(catalog: Catalog, since: datetime | None, until: datetime | None) -> list[UsageHour]:
    """Return the hours of the interval, and all before its end that have lines which are not counted."""
    stale = catalog.usage_hours(until=until, stale=True)
    asked = catalog.usage_hours(since, until) if since or until else []
    return sorted({hour.begins: hour for hour in (*stale, *asked)}.values(), key=lambda hour: hour.begins)


def _count(logs: Objects, catalog: Catalog, hour: datetime) -> Hour | None:
    """Return the sums of an hour; None when a file with some of its lines is no longer there."""
    sums = Hour()
    try:
        for name in catalog.log_files_of(hour):
            sums.add(_lines(logs, name, hour))
    except MissingError as error:
        log.warning("an hour stays as it is, part of its log is gone: %s", error, extra={"hour": hour.isoformat()})
        return None
    return sums


def _lines(logs: Objects, name: str, hour: datetime) -> Iterator[Line]:
    begins = f"{hour:%Y-%m-%dT%H}"
    with logs.open(name) as file:
        yield from (line for line in lines(file) if line.time.startswith(begins))


def _remove_old(logs: Objects, catalog: Catalog, days: int) -> int:
    """Remove the files begun so many days ago that have been counted; return how many."""
    before, known, removed = catalog.clock() - timedelta(days=days), catalog.log_files(), 0
    open_files = {name for hour in catalog.usage_hours(stale=True) for name in catalog.log_files_of(hour.begins)}
    for key in sorted(logs.keys()):
        name = FileName.parse(key)
        if name and name.begun < before and key in known and key not in open_files:
            logs.delete(key)
            removed += 1
    return removed
