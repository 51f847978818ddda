"""A fake module index: `/index?since=&limit=`, one JSON object a line, oldest first, `since` included."""

import json
from dataclasses import dataclass, field

from fakes.loopback import Answer, Loopback

MAX_PAGE = 2000


@dataclass
class Index(Loopback):
    """Serves what `add` and `add_line` put in, in that order; timestamps must not fall."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    """Timestamp and line."""
    max_page: int = MAX_PAGE
    strict: bool = False
    """Whether a limit above `max_page` is a bad request, rather than cut."""
    pages: list[dict[str, str]] = field(default_factory=list)
    """The queries asked, in order."""

    def add(self, path: str, version: str, timestamp: str) -> None:
        """Append a version that became known at `timestamp` (RFC 3339, UTC, with a Z)."""
        self.add_line(timestamp, format_line(path, version, timestamp))

    def add_line(self, timestamp: str, line: str) -> None:
        """Append any line at all; `timestamp` says where it stands."""
        self.lines.append((timestamp, line))

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Serve a page of the feed."""
        if path != "index":
            return Answer(404, b"not found\n")
        self.pages.append(query)
        since = _comparable(query.get("since", ""))
        limit = int(query.get("limit", str(MAX_PAGE)))
        if self.strict and limit > self.max_page:
            return Answer(400, b"limit too large\n", (("Content-Type", "text/plain"),))
        limit = min(limit, self.max_page)
        found = [line for at, line in self.lines if _comparable(at) >= since]
        return Answer(200, "".join(f"{line}\n" for line in found[:limit]).encode())


def _comparable(timestamp: str) -> str:
    """Return a timestamp with nine decimals, so that text order is time order."""
    base, _, fraction = timestamp.rstrip("Z").partition(".")
    return f"{base}.{fraction:0<9}" if base else ""


def format_line(path: str, version: str, timestamp: str) -> str:
    """Return a line of the feed, without its end."""
    return json.dumps({"Path": path, "Version": version, "Timestamp": timestamp})
