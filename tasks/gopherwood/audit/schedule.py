"""When an origin is looked at: 1, 7, 30 and 180 days after publishing, and every 180 days from then on.

Tags are moved soon after they are made, or years later when an account is taken over: so often at first, and never not
at all. What has just changed is looked at again the next day, whatever its age: a repository may be gone for an hour. A
look without answer is repeated after a pause that doubles, from an hour to a week.
"""

import random
from datetime import datetime, timedelta

AGES = tuple(timedelta(days=days) for days in (1, 7, 30, 180))
EVERY = AGES[-1]
CONFIRM = timedelta(days=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(hours=1), timedelta(days=7)


def first(published_at: datetime, now: datetime, *, has_hash: bool) -> datetime:
    """Return when a version is looked at first: at once where no upstream named a commit, for its baseline."""
    return published_at + AGES[0] if has_hash else now


def after_answer(published_at: datetime, now: datetime, *, changed: bool) -> datetime:
    """Return when a version is looked at next."""
    age = max(now - published_at, timedelta())
    step = next((age_then for age_then in AGES if age_then > age), None)
    due = published_at + (step if step is not None else EVERY * (age // EVERY + 1))
    return min(due, now + CONFIRM) if changed else due


def after_silence(now: datetime, fails: int) -> datetime:
    """Return when to try again after so many looks in a row that got no answer, this one not counted."""
    pause = min(FIRST_PAUSE * 2 ** min(fails, 20), LONGEST_PAUSE)
    return now + timedelta(seconds=pause.total_seconds() * random.uniform(0.75, 1.0))  # noqa: S311
