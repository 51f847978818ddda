"""Reports at /quality/: pages that `gopherwood quality` wrote, read from the folder (or bucket) of reports as they are.

They are pages for people, made by us from data that strangers named: each is sent under the policy of our own pages
(web.py), which allows no script, no frame and no other host. Nothing is kept in memory: a new report is seen at once.
"""

import re

from gopherwood.errors import StorageError
from gopherwood.objects import MissingError, Objects
from gopherwood_serving.answers import SECURITY, Answer, found, missing, unavailable

LARGEST = 32 << 20
"""Bytes of a page; a larger one was not made by us."""
TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_NAME = re.compile(r"(?:[a-z0-9][a-z0-9_-]{0,99}/){0,4}[a-z0-9][a-z0-9_.-]{0,99}", re.ASCII)


def answer(objects: Objects, folder: str, name: str) -> Answer:
    """Answer with a file of a folder of reports; its index for the folder itself."""
    name = name or "index.html"
    kind = TYPES.get(name.rpartition(".")[2])
    nothing = missing("There is no such report here. `gopherwood quality` writes them.")
    if kind is None or _NAME.fullmatch(name) is None:
        return nothing
    key = f"{folder}/{name}"
    try:
        if (objects.size(key) or 0) > LARGEST:
            return unavailable("This report is larger than any that is made here.")
        made = found(objects.read(key), kind, "no-cache", keep=False)
    except MissingError:
        return nothing
    except StorageError:
        return unavailable("The storage of the reports does not answer now. Try again soon.")
    made.headers += SECURITY.items()
    return made
