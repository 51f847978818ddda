"""The feed of everything published, in the form of the public module index, so that others can mirror us.

One JSON object a line, the oldest first: `{"Path":...,"Version":...,"Timestamp":...}`. `since` is inclusive, `limit` at
most 2000. Timestamps are those of publishing, strictly increasing, so a reader that asks again with the last one it saw
loses nothing and meets one line twice. Authority: the module index's own page.
"""

import json
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs

from gopherwood.catalog import Catalog, IndexEntry
from gopherwood_serving.answers import NEVER, PLAIN, Answer, found, text

MOST = 2000
"""Lines of one answer, and the default."""
LONGEST_QUERY = 256
_LIMIT = re.compile("[0-9]{1,9}", re.ASCII)


def answer(catalog: Catalog, query: str) -> Answer:
    """Answer /index with this query string; 400 for one that cannot be understood."""
    if len(query) > LONGEST_QUERY:
        return _bad("the query is too long")
    asked = parse_qs(query, keep_blank_values=True)
    limit = asked.get("limit", [str(MOST)])[-1]
    if _LIMIT.fullmatch(limit) is None or int(limit) == 0:
        return _bad("limit is not a positive number")
    since = asked.get("since", [""])[-1]
    try:
        start = _parse_time(since) if since else None
    except (ValueError, OverflowError):
        return _bad("since is not a time as in RFC 3339, such as 2019-04-10T19:08:52.997264Z")
    entries = catalog.published_since(start, min(int(limit), MOST))
    return found("".join(map(_line, entries)).encode(), PLAIN, "no-cache", keep=False)


def _parse_time(since: str) -> datetime:
    # A "+" of a zone that was not percent-encoded arrives as a space.
    time = datetime.fromisoformat(since.replace(" ", "+"))
    if time.tzinfo is None or "T" not in since.upper():
        raise ValueError(since)
    return time.astimezone(UTC)


def _line(entry: IndexEntry) -> str:
    time = entry.timestamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps({"Path": entry.path, "Version": entry.version, "Timestamp": time}, separators=(",", ":")) + "\n"


def _bad(why: str) -> Answer:
    return text(400, f"{why}\nuse /index?since=<RFC 3339 time>&limit=<1 to {MOST}>", NEVER)
