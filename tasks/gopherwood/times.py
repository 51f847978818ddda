"""The flags --since and --until, as every verb that has them reads them: ISO 8601, UTC where no zone is named."""

from datetime import UTC, datetime

from gopherwood.errors import UsageError


def moment(flag: str, text: str | None) -> datetime | None:
    """Return the time in UTC that a flag names, None for one that was not given; raises UsageError."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{flag} {text!r} is no ISO 8601 date and time", hint="e.g. 2026-10-01T12:00:00Z") from None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def between(
    since: str | None, until: str | None, *, may_be_empty: bool = False
) -> tuple[datetime | None, datetime | None]:
    """Return the times of --since, which belongs to the interval, and --until, which does not.

    An interval may be empty where Airflow gives it: that of a run by hand is. Raises UsageError.
    """
    begin, end = moment("--since", since), moment("--until", until)
    if begin and end and (begin > end or (begin == end and not may_be_empty)):
        wrong = "after" if begin > end else "not before"
        raise UsageError(f"--since {since} is {wrong} --until {until}", hint="exchange the two")
    return begin, end
