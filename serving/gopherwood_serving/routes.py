"""From the path of a request to what it asks for, in bounded time whatever a client sends.

A path longer than any real one is refused before it is looked at. Nothing is normalised and nothing redirected: `//`, a
trailing slash, `..` or an unescaped upper-case letter are other names, and nobody has them. The server has undone the
percent-encoding (`go` sends `!` as `%21`). Authority: `go help goproxy`; x/mod/module for the escapes.
"""

from dataclasses import dataclass

from gopherwood import module, queries, semver
from gopherwood.errors import ContentError, InvalidPathError, InvalidVersionError
from gopherwood.module import ModuleVersion
from gopherwood_serving.answers import Answer

LONGEST_PATH = 2048
"""Characters of the longest path that is looked at; the longest real ones have some 300."""
CACHED_ONLY = "/cached-only/"
"""Prefix with which clients of the public proxy say: answer from what you hold, fetch nothing. We never fetch."""
SUFFIXES = {"info": ".info", "mod": ".mod", "zip": ".zip"}
PAGES = frozenset({"/", "/status/live", "/static/icon.svg", "/static/live.js", "/static/style.css"})
PREFIXES = {"/v1/": "api", "/ledger/": "ledger", "/sumdb/": "sumdb"}
"""Where a kind of requests begins whose answers are made of the rest of the path."""
REPORTS = {"/quality/": "quality/", "/reports/": ""}
"""Where pages are that commands wrote (reports.py): a prefix, and the folder of the reports that is below it."""
STATUS = "/-/status.json"
"""Where the platform's standing is, for programs (status.py)."""
PROBES = frozenset({"/healthz", "/readyz", "/metrics", STATUS})


@dataclass(frozen=True, slots=True)
class Route:
    """What a request asks for; which fields are set depends on `kind`, a class of metrics.ROUTES."""

    kind: str
    path: str = ""
    """The module path; for the other kinds the rest of the request's path."""
    version: str = ""
    """An exact version (info, mod, zip), or the query of a `query`."""
    fetches: bool = True
    """Whether a miss is to be noted: not under /cached-only/."""
    refusal: Answer | None = None
    """The answer, where no work is needed to know it."""

    @property
    def mv(self) -> ModuleVersion:
        """The module version of an info, mod or zip."""
        return ModuleVersion(self.path, self.version)


class NoRouteError(Exception):
    """No request with this path can ever be answered; the message says why."""


def parse(path: str) -> Route:
    """Tell what a path asks for; raises NoRouteError."""
    if len(path) > LONGEST_PATH:
        raise NoRouteError(f"a path of {len(path)} characters is no module's")
    if path in PAGES:
        return Route("page", path)
    for prefix, folder in REPORTS.items():
        if path.startswith(prefix):
            return Route("report", folder + path.removeprefix(prefix))
    if path in PROBES:
        return Route("probe", path)
    if path == "/index":
        return Route("index", path)
    for prefix, kind in PREFIXES.items():
        if path.startswith(prefix):
            return Route(kind, path.removeprefix(prefix))
    if path.startswith(CACHED_ONLY):
        return _module(path[len(CACHED_ONLY) :], fetches=False)
    return _module(path[1:], fetches=True)


def _module(rest: str, *, fetches: bool) -> Route:
    escaped, at, what = rest.partition("/@")
    if not at:
        return _page(rest)
    try:
        path = module.unescape_path(escaped)
        if what == "latest":
            return Route("latest", path, "latest", fetches)
        if what == "v/list":
            return Route("list", path, "list", fetches)
        stem, _, suffix = what.removeprefix("v/").rpartition(".")
        if not what.startswith("v/") or suffix not in SUFFIXES:
            raise NoRouteError("a module has @v/list, @latest, and @v/<version>.info, .mod and .zip")
        return _version(suffix, path, module.unescape_version(stem), fetches)
    except ContentError as error:
        raise NoRouteError(str(error)) from None


def _page(rest: str) -> Route:
    """Return the route to the page of a module or package, `/<import path>[@version][/folder]` (modulepage.py)."""
    path, at, behind = rest.partition("@")
    version, _, folder = behind.partition("/")
    try:
        if "." not in path.partition("/")[0]:
            raise InvalidPathError("no module path begins so")
        module.check_import_path(path)
        if at and version != "latest" and module.canonical_version(version) != version:
            raise InvalidVersionError("not a canonical version")
        if folder:
            module.check_file_path(folder)
    except ContentError:
        words = "nothing is here; a module's files are at /<module path>/@v/list and beside it"
        raise NoRouteError(words) from None
    return Route("page", f"/{rest}")


def _version(suffix: str, path: str, version: str, fetches: bool) -> Route:
    if module.canonical_version(version) == version:
        module.check(path, version)
        return Route(suffix, path, version, fetches)
    if suffix == "info" and (queries.is_prefix(version) or not semver.is_valid(version)):
        return Route("query", path, version, fetches)
    raise InvalidVersionError(f"{path}@{version}: not a canonical version")
