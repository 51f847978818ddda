"""The flags of the verb, and the hours they mean."""

import argparse
from datetime import UTC, datetime

from gopherwood.errors import UsageError


def add_arguments(verb: argparse.ArgumentParser) -> None:
    """Add the flags of `usage`."""
    verb.add_argument("--since", metavar="ISO", help="from this full hour on (default: whatever is not counted yet)")
    verb.add_argument("--until", metavar="ISO", help="up to, and without, this full hour (default: now)")
    verb.add_argument("--top", type=_count, default=10, metavar="N", help="length of the lists (default: 10)")


def interval(args: argparse.Namespace) -> tuple[datetime | None, datetime | None]:
    """Return --since and --until; raises UsageError unless they are full hours in this order."""
    since, until = _hour("--since", args.since), _hour("--until", args.until)
    if since and until and since >= until:
        raise UsageError(f"--since {args.since} is not before --until {args.until}", hint="exchange the two")
    return since, until


def _hour(flag: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{flag} {text!r} is no ISO 8601 date and time", hint="e.g. 2026-10-01T12:00:00Z") from None
    at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    if at.minute or at.second or at.microsecond:
        raise UsageError(f"{flag} {text} is no full hour: usage is counted by the hour", hint="e.g. 2026-10-01T12:00Z")
    return at


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)
