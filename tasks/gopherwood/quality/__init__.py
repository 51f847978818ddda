"""Verb `quality`: check the data sets of the platform as a whole, keep what was found, and write reports for people.

What must hold is in `datasets/`, a file each (docs/quality.md). A run cuts a consistent snapshot of the catalog, checks
it page by page (check.py, engine.py), keeps results and measures in the catalog, tells events, and writes the reports
that serving shows (site.py). Great Expectations and pandas are imported when a check begins, not before: ten seconds
of processor time, which nobody else pays.
"""

import argparse
import threading
from datetime import datetime, timedelta
from typing import Any

from gopherwood import times
from gopherwood.config import Settings
from gopherwood.errors import UsageError


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Declare the flags of `quality`."""
    verb.add_argument("--data-set", action="append", default=[], metavar="NAME", help="only this one (default: all)")
    verb.add_argument("--date", metavar="DAY", help="only what is of this day in UTC, e.g. 2026-10-01")
    verb.add_argument("--since", metavar="ISO", help="only what is of this time or later")
    verb.add_argument("--until", metavar="ISO", help="only what is of a time before this one")
    verdict = verb.add_mutually_exclusive_group()
    says = "check and report, but leave the exit code to a later --verdict"
    verdict.add_argument("--defer-verdict", action="store_true", help=says)
    says = "check nothing: end as the last checks of the same interval and data sets say"
    verdict.add_argument("--verdict", action="store_true", help=says)


def run(settings: Settings, args: argparse.Namespace, stop: threading.Event) -> Any:
    """Run the checks, or tell what the last ones said."""
    from gopherwood.quality import verb

    since, until = interval(args.date, args.since, args.until)
    if args.verdict:
        return verb.verdict(settings, args.data_set, since, until)
    return verb.run(settings, args.data_set, since, until, deferred=args.defer_verdict, stop=stop)


def interval(date: str | None, since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """Return the interval that the flags name; raises UsageError."""
    if not date:
        return times.between(since, until)
    if since or until:
        raise UsageError("--date and --since or --until are two ways to name an interval", hint="use one of them")
    begin = times.moment("--date", date)
    if begin is None or len(date) != len("2026-10-01"):
        raise UsageError(f"--date {date!r} is no day", hint="e.g. 2026-10-01")
    return begin, begin + timedelta(days=1)
