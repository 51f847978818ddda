"""The flags of the verb, and the hours they mean."""

import argparse
from datetime import datetime

from gopherwood import flags, times
from gopherwood.errors import UsageError


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Add the flags of `usage`."""
    verb.add_argument("--since", metavar="ISO", help="from this full hour on (default: whatever is not counted yet)")
    verb.add_argument("--until", metavar="ISO", help="up to, and without, this full hour (default: now)")
    verb.add_argument("--top", type=flags.count, default=10, metavar="N", help="length of the lists (default: 10)")


def interval(args: argparse.Namespace) -> tuple[datetime | None, datetime | None]:
    """Return --since and --until; raises UsageError unless they are full hours in this order."""
    since, until = times.between(args.since, args.until)
    for flag, at in (("--since", since), ("--until", until)):
        if at and (at.minute or at.second or at.microsecond):
            says = f"{flag} {at.isoformat()} is no full hour: usage is counted by the hour"
            raise UsageError(says, hint="e.g. 2026-10-01T12:00Z")
    return since, until
