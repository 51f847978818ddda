"""A module index: the feed of versions as they became known to an upstream, read page by page without loss.

`GET <base>/index?since=T&limit=N` answers one JSON object a line (Path, Version, Timestamp), oldest first, from T on, T
itself included. Many versions may share one timestamp, so a page border may fall between equals: each page starts again
at the last timestamp seen, what was already read is dropped, and when a whole page holds a single timestamp the limit
grows. Lines that make no sense are handed on as `BadLine`, never fatal. Authority: the index's own home page, and
golang.org/x/pkgsite/internal/index. Used by discover.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from gopherwood import module
from gopherwood.errors import ContentError
from gopherwood.http import Client

PAGE = 2000
"""Lines asked for at once: what the public index gives at most."""
MAX_PAGE = 64 * PAGE
"""Lines that may share one timestamp before we give up on reading them all."""
MAX_LINE = 2048
"""Bytes of a line, on average over a page: bounds the reply."""
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the feed."""

    path: str
    version: str
    timestamp: datetime
    """UTC, cut to microseconds."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line, or a place of the feed, that could not be read."""

    text: str
    why: str


def read(
    base_url: str, client: Client, since: datetime | None = None, until: datetime | None = None, limit: int = PAGE
) -> Iterator[Entry | BadLine]:
    """Yield the entries with `since` <= timestamp < `until`, each once, in the feed's order, and its bad lines.

    Raises what `Client.get` raises.
    """
    at, page = since, limit
    seen: set[Entry] = set()
    seen_bad: set[str] = set()
    while True:
        lines = _page(base_url, client, at, page)
        newest = at
        for line in lines:
            entry = parse(line)
            if isinstance(entry, BadLine):
                if line not in seen_bad:
                    seen_bad.add(line)
                    yield entry
                continue
            if until is not None and entry.timestamp >= until:
                return
            if (since is not None and entry.timestamp < since) or entry in seen:
                continue
            seen.add(entry)
            newest = entry.timestamp if newest is None else max(newest, entry.timestamp)
            yield entry
        if newest != at:
            # On, even if the page was short: the server may give fewer lines at once than we ask for.
            at, page = newest, limit
            seen = {entry for entry in seen if entry.timestamp == newest}
            seen_bad &= set(lines)
        elif len(lines) >= page < MAX_PAGE:
            page *= 2  # a page of one timestamp, or of bad lines: look past it, or what is behind it is lost
        elif len(lines) not in (limit, page) or at is None:
            return
        else:
            # As many as before, though more were asked for: the server's own bound, or by chance the end.
            yield BadLine(_text(at), f"the index gives {len(lines)} lines of this time, and may hide others")
            at, page = at + timedelta(microseconds=1), limit


def parse(line: str) -> Entry | BadLine:
    """Return the entry that a line holds."""
    try:
        value = json.loads(line)
        path, version = value["Path"], value["Version"]
        module.check(path, version)
        return Entry(path, version, parse_timestamp(value["Timestamp"]))
    except KeyError as error:
        return BadLine(line, f"no {error.args[0]}")
    except (ValueError, TypeError, AttributeError, ContentError) as error:
        return BadLine(line, str(error))


def parse_timestamp(text: str) -> datetime:
    """Return the UTC time of an RFC 3339 timestamp of up to nine decimals; microseconds are kept.

    Raises ValueError.
    """
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        raise ValueError(f"not an RFC 3339 timestamp: {text!r}")
    base, fraction, zone = match.groups()
    micros = (fraction or ".0")[1:7].ljust(6, "0")
    return datetime.fromisoformat(f"{base.upper()}.{micros}{zone.upper().replace('Z', '+00:00')}").astimezone(UTC)


def _page(base_url: str, client: Client, since: datetime | None, limit: int) -> list[str]:
    asked = {"limit": str(limit)} | ({"since": _text(since)} if since else {})
    url = f"{base_url.rstrip('/')}/index?{urlencode(asked)}"
    reply = client.get(url, limit=limit * MAX_LINE)
    return [line for line in reply.body.decode("utf-8", "replace").split("\n") if line.strip()]


def _text(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") if at else "the beginning"
