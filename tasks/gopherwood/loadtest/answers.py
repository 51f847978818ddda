"""Is an answer the right one: its status, and its bytes by their ETag and by what was answered before.

Serving's ETag is made of the SHA-256 of the bytes, so the body proves it. What is published never changes: two answers
for one file must be equal, whoever gave them. A load test that looks at statuses alone would call a server fast that
sends empty files.
"""

import hashlib
import re

FOREVER = frozenset({"info", "mod", "zip"})
"""Classes whose bytes never change."""
_ETAG = re.compile(r'"([0-9a-f]{32})"')


class Answers:
    """Judges answers, and remembers what was answered."""

    def __init__(self) -> None:
        self.checked = 0
        self._seen: dict[str, str] = {}

    def fault(self, kind: str, path: str, wanted: int, status: int, etag: str, digest: str) -> str:
        """Return what is wrong with an answer, "" when nothing is.

        `wanted` is 200 for what must be there, 404 for what was not when it was recorded (it may have come meanwhile),
        0 for anything that is no failure of the server. `digest` is the SHA-256 of the body, in hexadecimal.
        """
        if status >= 500 or status == 429:
            return f"status {status}"
        if status != 200:
            return f"status {status}" if wanted == 200 else ""
        if match := _ETAG.fullmatch(etag):
            self.checked += 1
            if match[1] != digest[:32]:
                return "wrong bytes: not those of the ETag"
        if kind in FOREVER:
            self.checked += not match
            if self._seen.setdefault(path, digest) != digest:
                return "wrong bytes: other than before"
        return ""


def digest_of(body: bytes) -> str:
    """Return what `Answers.fault` compares."""
    return hashlib.sha256(body).hexdigest()
