"""Reports at /quality/ and /reports/: pages that commands wrote, as they are in the folder (or bucket) of reports.

They are pages for people, made by us from data that strangers named: each is sent under the policy of our own pages
(web.py), which allows no script, no frame and no other host. A page that carries its own style (a report of a load test
is one file, to be mailed or kept) is allowed exactly that style, by its hash. Nothing is kept in memory: a new report
is seen at once.
"""

import base64
import hashlib
import re

from gopherwood.errors import StorageError
from gopherwood.objects import MissingError, Objects
from gopherwood_serving.answers import POLICY, SECURITY, Answer, found, missing, unavailable

LARGEST = 32 << 20
"""Bytes of a page; a larger one was not made by us."""
TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "hgrm": "text/plain; charset=utf-8",
}
_NAME = re.compile(r"(?:[a-z0-9][a-z0-9_-]{0,99}/){0,4}[a-z0-9][a-z0-9_.-]{0,99}", re.ASCII)
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_HEAD = 64 << 10
"""Bytes of a page in which its own style stands: in its head, before anything that a stranger named."""


def answer(objects: Objects, name: str) -> Answer:
    """Answer with a file of the reports; the index of a folder for the folder itself."""
    if not name or name.endswith("/"):
        name += "index.html"
    kind = TYPES.get(name.rpartition(".")[2])
    nothing = missing("There is no such report here. `gopherwood quality`, `loadtest` and `chaos` write them.")
    if kind is None or _NAME.fullmatch(name) is None:
        return nothing
    try:
        if (objects.size(name) or 0) > LARGEST:
            return unavailable("This report is larger than any that is made here.")
        body = objects.read(name)
    except MissingError:
        return nothing
    except StorageError:
        return unavailable("The storage of the reports does not answer now. Try again soon.")
    made = found(body, kind, "no-cache", keep=False)
    made.headers += (SECURITY | {"content-security-policy": _policy(body)}).items()
    return made


def _policy(page: bytes) -> str:
    """Return the policy of our pages, which also allows the style in the head of this one."""
    style = _STYLE.search(page, 0, _HEAD)
    if style is None:
        return POLICY
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    return POLICY.replace("style-src 'self'", f"style-src 'self' 'sha256-{digest}'")
