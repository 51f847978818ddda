"""go-get meta: a page at a module's own path says which repository it is in.

`https://<path>?go-get=1` holds `<meta name="go-import" content="PREFIX VCS URL [SUBDIR]">`, as many as it likes; one
whose prefix is the path or leads to it counts, and two are an error. A page that speaks for a longer path than its own
prefix is not believed before the page of that prefix says the same. `mod` meta names a proxy, not a repository: it is
left out. Who names a module names a host that we then ask, so both the page and the repository must be public, unless
the user's GOPRIVATE says that the path is one of his own. Authority: cmd/go/internal/vcs, repoRootForImportDynamic,
matchGoImport, parseMetaGoImports.
"""

from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import quote

from gopherwood.errors import NotFoundError
from gopherwood.http import Client
from gopherwood.module import ModuleVersion
from gopherwood.origin.values import Origin, subdir_of, tag_of
from gopherwood.reach import Reach

MAX_PAGE = 4 << 20
"""Bytes of a page that are read."""
_ANY_STATUS = range(200, 500)
"""`go` looks for meta in whatever page comes, a 404 included."""


class Import(NamedTuple):
    """What one tag says."""

    prefix: str
    vcs: str
    url: str
    subdir: str = ""


def discover(client: Client, mv: ModuleVersion, allowed: Reach) -> Origin:
    """Ask a module's own path for its origin; `allowed` is how near to us the page may be.

    Raises NotFoundError when no tag matches, RefusedError when the page is nearer, UpstreamError when it cannot be had.
    """
    found = _import_of(client, mv.path, mv.path, allowed)
    if found.prefix != mv.path and found != _import_of(client, found.prefix, mv.path, allowed):
        raise NotFoundError(f"{mv.path}: its page and that of {found.prefix} name different repositories")
    subdir = subdir_of(mv.path, found.prefix, found.subdir)
    if subdir is None or found.subdir.startswith(("/", "-")) or "://" not in found.url:
        raise NotFoundError(f"{mv.path}: its go-import tag names no repository that can hold it: {' '.join(found)}")
    return Origin(found.vcs, found.url, subdir, tag_of(mv, subdir), "", "meta")


def _import_of(client: Client, page: str, path: str, allowed: Reach) -> Import:
    url = f"https://{quote(page, safe='/~!+@')}?go-get=1"
    reply = client.get(url, limit=MAX_PAGE, accept_status=_ANY_STATUS, allowed=allowed)
    return match(imports(reply.body.decode("utf-8", "replace")), path)


def match(found: list[Import], path: str) -> Import:
    """Return the tag that speaks for a module path; raises NotFoundError when none does, or more than one."""
    matching = [each for each in found if path == each.prefix or path.startswith(f"{each.prefix}/")]
    if len(matching) != 1:
        says = "more than one go-import tag matches" if matching else "no go-import tag matches"
        raise NotFoundError(f"{path}: {says}")
    return matching[0]


def imports(page: str) -> list[Import]:
    """Return the go-import tags of a page's head, without those that name a proxy."""
    parser = _Head()
    parser.feed(page)
    return parser.found


class _Head(HTMLParser):
    """Reads a page until its head ends."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Import] = []
        self.over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a go-import tag, or see that the body begins."""
        self.over |= tag == "body"
        values = dict(attrs)
        if self.over or tag != "meta" or values.get("name") != "go-import":
            return
        words = (values.get("content") or "").split()
        if len(words) in (3, 4) and words[1] != "mod":
            self.found.append(Import(*words))

    def handle_endtag(self, tag: str) -> None:
        """See that the head ends."""
        self.over |= tag == "head"
