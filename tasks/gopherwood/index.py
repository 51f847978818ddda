"""A module index: the feed of versions as they became known to an upstream, read page by page without loss.

`GET <base>/index?since=T&limit=N` answers one JSON object a line (Path, Version, Timestamp), oldest first, from T on, T
itself included. Many versions may share one timestamp, so a page border may fall between equals: each page starts again
at the last timestamp seen, what was already read is dropped, and when a whole page holds a single timestamp the limit
grows. A server may give fewer lines a page than it is asked for. When all that it gives are of one timestamp, then what
else has that timestamp cannot be had, by any question of this protocol: that is an error, for nobody would ever miss
it. Lines that make no sense are handed on as `BadLine`, never fatal. Authority: the index's own home page, and
golang.org/x/pkgsite/internal/index. Used by discover.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from gopherwood import module
from gopherwood.errors import ContentError, UpstreamError
from gopherwood.http import Client, redact

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

    Raises what `Client.get` raises, and UpstreamError where the feed cannot be read without loss.
    """
    at, page, longest = since, limit, 0
    seen: set[Entry] = set()
    seen_bad: set[str] = set()
    while True:
        lines = _page(base_url, client, at, page, limit)
        longest = max(longest, len(lines))
        newest = at
        for line in lines:
            entry = parse(line)
            if isinstance(entry, BadLine):
                if line not in seen_bad:
                    seen_bad.add(line)
                    yield entry
            elif until is not None and entry.timestamp >= until:
                return
            elif (since is None or entry.timestamp >= since) and entry not in seen:
                seen.add(entry)
                newest = max(newest or entry.timestamp, entry.timestamp)
                yield entry
        if newest != at:
            # On, even if the page was short: the server may give fewer lines at once than we ask for.
            at, page = newest, limit
            seen = {entry for entry in seen if entry.timestamp == newest}
            seen_bad &= set(lines)
        elif len(lines) >= page < MAX_PAGE:
            page *= 2  # a page of one timestamp, or of bad lines: look past it, or what is behind it is lost
        else:
            is_full = len(lines) >= page or (page > limit and not lines)
            if is_full or len(lines) >= longest:  # else this page could have been longer, and was not: the end
                yield from _look_around(base_url, client, at, lines, limit, is_full=is_full)
            return


def _look_around(
    base_url: str, client: Client, at: datetime | None, lines: list[str], limit: int, *, is_full: bool
) -> Iterator[BadLine]:
    """Find out whether the feed goes on behind a page that held nothing new; raise UpstreamError if it may.

    Of a page that is not full, the feed's beginning tells whether it could be longer. If that is this very page, what
    is later tells.
    """
    if is_full:
        raise _hidden(base_url, at, max(len(lines), limit))
    if not lines or at is None:
        return
    first = _page(base_url, client, None, len(lines) + 1, limit)
    if len(first) > len(lines):
        return
    later = _page(base_url, client, at + timedelta(microseconds=1), limit, limit)
    if first != lines or any(isinstance(entry := parse(line), Entry) and entry.timestamp > at for line in later):
        raise _hidden(base_url, at, len(lines))
    if len(lines) > 1:
        yield BadLine(_text(at), f"the index holds {len(lines)} lines of this one time, and may hide others")


def _hidden(base_url: str, at: datetime | None, count: int) -> UpstreamError:
    return UpstreamError(
        f"{redact(base_url)}: the index gives {count} lines of {_text(at)} and may hide others of that time",
        hint="let the index give more lines at once; or name what is missing yourself (discover --seed), "
        "and read on behind that time (discover --source index --since)",
    )


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


def _page(base_url: str, client: Client, since: datetime | None, lines: int, limit: int) -> list[str]:
    """Return so many lines from `since` on; none, when more than `limit` are asked for and the server minds that."""
    asked = {"limit": str(lines)} | ({"since": _text(since)} if since else {})
    url = f"{base_url.rstrip('/')}/index?{urlencode(asked)}"
    accepted = (200, 400) if lines > limit else (200,)
    reply = client.get(url, limit=lines * MAX_LINE, accept_status=accepted)
    if reply.status != 200:
        return []
    return [line for line in reply.body.decode("utf-8", "replace").split("\n") if line.strip()]


def _text(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") if at else "the beginning"
