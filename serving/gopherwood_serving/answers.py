"""What serving answers, as values: made by whoever knows the content, sent by send.py, kept by memory.py.

An answer is complete before anybody looks at the request's conditions: status, headers (but Content-Length), body. So
one answer serves GET, HEAD, If-None-Match and Range alike, and a hot one is sent without being made again. How long
caches may keep it is decided here too: what is published never changes, what is missing may appear soon.
"""

import hashlib
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

Headers = list[tuple[str, str]]

FOREVER = "public, max-age=31536000, immutable"
"""A file of a published version: its bytes never change."""
SHORT = "public, max-age=60"
"""What grows with each publish: a version list, the latest version, a tree head."""
MISSING = "public, max-age=15"
"""Not here now; somebody may ingest it in the next minute."""
NEVER = "public, max-age=86400"
"""Not here ever: no module has such a path or version."""
UNCACHED = "no-store"
"""A fault of ours, over soon."""

PLAIN = "text/plain; charset=utf-8"
JSON = "application/json"
ZIP = "application/zip"
BINARY = "application/octet-stream"

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
SECURITY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""Headers of whatever is a page: no script, no frame of others, no other host."""
LIVE = SECURITY | {"content-security-policy": f"{POLICY}; script-src 'self'; connect-src 'self'"}
"""Headers of the one page with a script: a file of ours, that asks nobody but us."""

FORGET_WITHHELD_SECONDS = 5.0
"""How long a worker repeats from memory that a file is withheld; a file that is healed is looked at again at once."""
FORGET_MISSING_SECONDS = 60.0
"""How long a worker repeats from memory that something is missing; then it looks (and notes the request) again."""


@dataclass(frozen=True, slots=True)
class FileBody:
    """The bytes of a real file, which the server sends without passing them through Python."""

    path: str
    size: int
    stamp: tuple[int, int, int] = (0, 0, 0)
    """Of the file that was looked at: inode, size, nanoseconds of its last change."""

    @classmethod
    def of(cls, path: Path) -> Self:
        """Look at a file that is to be sent; raises OSError."""
        found = path.stat()
        return cls(str(path), found.st_size, _stamp(found))

    def is_current(self) -> bool:
        """Tell whether the file is still the one that was looked at.

        The server opens it by its name, and answers 404 when that is gone: then the next proxy would be asked for what
        we have published.
        """
        try:
            return _stamp(os.stat(self.path)) == self.stamp  # noqa: PTH116  on the way of every large file
        except OSError:
            return False


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class ObjectBody:
    """The bytes of a key in an object store, streamed piece by piece."""

    key: str
    size: int


Body = bytes | FileBody | ObjectBody


@dataclass(slots=True, kw_only=True)
class Answer:
    """A response that fits every form of the request for it."""

    status: int
    headers: Headers
    body: Body
    etag: str = ""
    """A strong validator, empty where there is none; it is among the headers too."""
    keep: bool = False
    """Whether memory may keep it: for ever, or, with a `module`, until that module has something new."""
    module: str = ""
    expires: float = math.inf
    """Monotonic time after which it is made again."""

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.size


def etag_of(data: bytes) -> str:
    """Return a strong validator of some bytes: equal on every worker and replica."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def found(
    body: Body,
    content_type: str,
    cache: str,
    *,
    etag: str = "",
    keep: bool = True,
    module: str = "",
    seconds: float = math.inf,
) -> Answer:
    """Answer 200, kept for `seconds` at most. Without an `etag` one is made from the bytes."""
    if not etag and isinstance(body, bytes):
        etag = etag_of(body)
    headers = [("content-type", content_type), ("cache-control", cache), ("accept-ranges", "bytes")]
    if etag:
        headers.append(("etag", etag))
    expires = time.monotonic() + seconds
    return Answer(status=200, headers=headers, body=body, etag=etag, keep=keep, module=module, expires=expires)


def text(status: int, message: str, cache: str, *extra: tuple[str, str]) -> Answer:
    """Answer with a few lines for people; `go` prints up to eight of them, up to the first empty one."""
    headers = [("content-type", PLAIN), ("cache-control", cache), ("x-content-type-options", "nosniff"), *extra]
    return Answer(status=status, headers=headers, body=(message.rstrip("\n") + "\n").encode("utf-8", "replace"))


def missing(message: str, *, module: str = "") -> Answer:
    """Answer 404 for what may come: kept for a while, and until `module` has something new."""
    answer = text(404, message, MISSING)
    if module:
        answer.keep, answer.module = True, module
        answer.expires = time.monotonic() + FORGET_MISSING_SECONDS
    return answer


def impossible(message: str) -> Answer:
    """Answer 404 for what no request can ever get."""
    return text(404, message, NEVER)


def unavailable(message: str) -> Answer:
    """Answer 503: a part of ours does not work now."""
    return text(503, message, UNCACHED, ("retry-after", "5"))


def withheld(message: str, *, module: str) -> Answer:
    """Answer 503 for a published file that is damaged: no other proxy is asked for it, and it is healed soon."""
    answer = text(503, message, UNCACHED, ("retry-after", "60"))
    answer.keep, answer.module = True, module
    answer.expires = time.monotonic() + FORGET_WITHHELD_SECONDS
    return answer
