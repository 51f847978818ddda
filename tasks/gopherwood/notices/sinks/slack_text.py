"""How notices look in Slack: a headline, what to do, and what came before; readable in a notification on a phone."""

from collections.abc import Sequence

from gopherwood.notices.texts import folded
from gopherwood.notices.values import Notice, Severity

MARKS = {Severity.INFO: "", Severity.WARN: ":warning: ", Severity.PAGE: ":rotating_light: "}
LONGEST = 3_000
"""Characters of a message; Slack cuts a text at 40,000 and advises 4,000."""
MOST_LINES = 10
"""Lines that a story keeps."""


def headline(notices: Sequence[Notice]) -> str:
    """Return the line that tells of notices, without who is called."""
    last = notices[-1]
    return f"{MARKS[last.severity]}{escaped(folded(list(notices)))}"


def details(notice: Notice) -> str:
    """Return what is below: what to do, and where to look."""
    todo = f"\n> {escaped(notice.todo)}" if notice.todo else ""
    return todo + (f"\n<{escaped(notice.link)}|look>" if notice.link else "")


def message(notices: Sequence[Notice]) -> str:
    """Return a message of its own."""
    last = notices[-1]
    call = f"{last.mention} " if last.mention else ""
    return f"{call}{headline(notices)}{details(last) if len(notices) == 1 else ''}"[:LONGEST]


def escaped(text: str) -> str:
    """Return a text in which nothing is markup: what upstreams say must call nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
