"""The module graph as `go` loads it, and with it what building a release asks for.

A release can only be built from us alone if we hold the go.mod of every module version that `go` reads on the way, and
the zip of every one that it selects. `go list -m all` and `go mod tidy` also read the go.mod of what is selected and
never read by a build; that counts too, but is followed no further. Which ones a build reads follows the rules of module
graph pruning: a main module whose go.mod says `go 1.17` or later reads the go.mod of each of its requirements and stops
there, except below a requirement that is itself older than 1.17, where everything is read. An older main module reads
everything. Where the graph selects a higher version than the main module requires, the requirement is raised and the
graph is read again.

Each release is taken as the main module, in two views. As a dependency, which is how a proxy's client meets it, its own
`replace` and `exclude` mean nothing; where it has any, it is also taken as the checked-out main module, where they
count. In dependencies they never count.

Pure: go.mod files come through a function, and what it does not have is reported as missing. Callers fetch that and ask
again, round after round. A go.mod is read once per `Loader`; the cost of a release is the size of its own graph.

Authority: cmd/go/internal/modload, buildlist.go (readModGraph, updatePrunedRoots) and modfile.go (goModSummary);
https://go.dev/ref/mod#graph-pruning, #minimal-version-selection.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias

from gopherwood import gomod, semver
from gopherwood.errors import InvalidGoModError
from gopherwood.module import ModuleVersion

MAX_NODES: Final = 100_000
"""Module versions that one release's graph may name before its loading is given up."""

_PRUNED_SINCE: Final = (1, 17)
_GO_VERSION = re.compile(r"([0-9]+)\.([0-9]+)(.*)")

ModOf: TypeAlias = Callable[[ModuleVersion], bytes | None]
"""Gives the go.mod of a module version, None when it is not had."""


@dataclass(frozen=True, slots=True)
class Closure:
    """What building one release asks for."""

    release: ModuleVersion
    mods: frozenset[ModuleVersion]
    """Whose go.mod is read; the release's own is one."""
    zips: frozenset[ModuleVersion]
    """Whose content may be compiled: a subset of `mods`."""
    listed: frozenset[ModuleVersion]
    """What is selected and yet read by no build: `go list -m all` and `go mod tidy` read their go.mod all the same."""
    missing: frozenset[ModuleVersion]
    """Those of `mods` that are not had; when all are, those of `listed`."""
    broken: Mapping[ModuleVersion, str]
    """Those of `mods` that `go` cannot use, and why: no upstream will ever mend them."""
    build_list: tuple[ModuleVersion, ...]
    """What minimal version selection chooses from the graph as far as it is known, sorted, without the release."""
    truncated: bool
    """Whether the graph was larger than the loader's limit, and was given up."""

    @property
    def complete(self) -> bool:
        """Whether everything is had that can be had."""
        return not self.missing and not self.truncated


@dataclass(slots=True)
class Report:
    """The closures of many releases, joined."""

    mods: set[ModuleVersion] = field(default_factory=set)
    zips: set[ModuleVersion] = field(default_factory=set)
    missing: dict[ModuleVersion, ModuleVersion] = field(default_factory=dict)
    """What is not had, each with one of the releases that ask for it."""
    broken: dict[ModuleVersion, str] = field(default_factory=dict)
    truncated: list[ModuleVersion] = field(default_factory=list)
    complete: int = 0
    """Releases that can be built from what is had."""

    def add(self, closure: Closure) -> None:
        """Take in the closure of one release."""
        self.mods |= closure.mods
        self.zips |= closure.zips
        self.missing |= dict.fromkeys(closure.missing - self.missing.keys(), closure.release)
        self.broken |= closure.broken
        self.complete += closure.complete
        if closure.truncated:
            self.truncated.append(closure.release)


class _Summary(NamedTuple):
    """What the graph needs of a go.mod."""

    path: str
    require: tuple[ModuleVersion, ...]
    pruned: bool
    error: str = ""


class _Main(NamedTuple):
    """A main module: its requirements, and what it says about those of others."""

    path: str
    require: tuple[ModuleVersion, ...]
    pruned: bool
    exclude: frozenset[ModuleVersion]
    replace: Mapping[ModuleVersion, ModuleVersion]

    def replaced(self, mv: ModuleVersion) -> ModuleVersion:
        """Say what stands for a module version; a version "" is a folder."""
        return self.replace.get(mv) or self.replace.get(ModuleVersion(mv.path, "")) or mv

    def kept(self, require: Iterable[ModuleVersion]) -> list[ModuleVersion]:
        """Drop the requirements that are excluded."""
        return [mv for mv in require if mv not in self.exclude]


class _Graph:
    """A module graph while it is loaded from one set of roots."""

    def __init__(self, main: _Main) -> None:
        self.main = main
        self.required: dict[ModuleVersion, list[ModuleVersion]] = {}
        self.named: set[ModuleVersion] = set()
        self.selected: dict[str, str] = {}

    def choose(self, require: Iterable[ModuleVersion]) -> None:
        """Let requirements raise the selected versions; nothing outbids the main module."""
        for mv in require:
            if mv in self.named:
                continue
            self.named.add(mv)
            if mv.path != self.main.path:
                chosen = self.selected.get(mv.path)
                if chosen is None or semver.compare(chosen, mv.version) < 0:
                    self.selected[mv.path] = mv.version

    def raised(self, roots: Iterable[ModuleVersion]) -> list[ModuleVersion]:
        """Name each root once, at its selected version."""
        paths = dict.fromkeys(root.path for root in roots if root.path != self.main.path)
        return [ModuleVersion(path, self.selected[path]) for path in paths]

    def build_list(self) -> list[ModuleVersion]:
        """List what is selected, sorted by path."""
        return [ModuleVersion(path, self.selected[path]) for path in sorted(self.selected)]


@dataclass(slots=True)
class _View:
    """A release as the main module: the last graph loaded, and what all its graphs asked for."""

    main: _Main
    graph: _Graph
    read: set[ModuleVersion] = field(default_factory=set)
    missing: set[ModuleVersion] = field(default_factory=set)
    broken: dict[ModuleVersion, str] = field(default_factory=dict)
    truncated: bool = False


class Loader:
    """Loads the graphs of many releases over one source of go.mod files. Not for use by several threads."""

    def __init__(self, mod_of: ModOf, *, max_nodes: int = MAX_NODES) -> None:
        self._mod_of = mod_of
        self._max_nodes = max_nodes
        self._summaries: dict[ModuleVersion, _Summary] = {}

    def build_list(self, main: bytes) -> list[ModuleVersion]:
        """List the versions that a checked-out main module with this go.mod selects, as `go list -m all` does.

        What is not had counts as requiring nothing. Raises InvalidGoModError when the file itself does not parse.
        """
        return self._expand(_main_of(gomod.parse("go.mod", main), as_main=True)).graph.build_list()

    def needs(self, name: str, main: bytes) -> Closure:
        """Find what building a checked-out main module with this go.mod asks for; `name` is what errors call it.

        Its replacements and exclusions count; itself is not among what is needed. Raises InvalidGoModError.
        """
        file = gomod.parse(name, main)
        view = self._expand(_main_of(file, as_main=True))
        itself = ModuleVersion(file.module.path if file.module else name, "")
        found = _closure(itself, [view])
        found = replace(found, mods=found.mods - {itself}, zips=found.zips - {itself})
        if found.missing:
            return found
        return replace(found, missing=frozenset(mv for mv in found.listed if self._mod_of(mv) is None))

    def closure(self, release: ModuleVersion) -> Closure:
        """Find what building a release asks for."""
        data = self._mod_of(release)
        if data is None:
            return _closure(release, missing={release})
        try:
            file = gomod.parse(f"{release}/go.mod", data, lax=True)
        except InvalidGoModError as error:
            return _closure(release, broken={release: str(error)})
        views = [self._expand(_main_of(file, as_main=False, path=release.path))]
        strict = _checked_out(release, data)
        if strict and (strict.replace or strict.exclude):
            views.append(self._expand(_main_of(strict, as_main=True, path=release.path)))
        found = _closure(release, views)
        if found.missing:  # a graph that is not whole yet may select what the whole one does not
            return found
        return replace(found, missing=frozenset(mv for mv in found.listed if self._mod_of(mv) is None))

    def report(self, releases: Iterable[ModuleVersion], progress: Callable[[], None] = lambda: None) -> Report:
        """Join the closures of many releases; `progress` is called after each."""
        report = Report()
        for release in releases:
            report.add(self.closure(release))
            progress()
        return report

    def _expand(self, main: _Main) -> _View:
        """Load the graph again and again, until each root of a pruned one stands once and at its selected version."""
        view = _View(main, _Graph(main))
        roots = main.kept(main.require)
        if main.pruned:
            first = _Graph(main)
            first.choose(roots)
            roots = first.raised(roots)  # of a path required twice only the higher version is looked at
        while True:
            self._load(view, roots)
            raised = view.graph.raised(roots)
            if raised == roots or not main.pruned or view.truncated:
                return view
            view.graph, roots = _Graph(main), raised

    def _load(self, view: _View, roots: list[ModuleVersion]) -> None:
        """Read the graph from the roots. The flag of an entry tells whether what asked for it prunes."""
        graph = view.graph
        graph.choose(roots)
        queue = [(root, view.main.pruned) for root in roots]
        seen = set(queue)
        while queue:
            if len(graph.named) > self._max_nodes:
                view.truncated = True
                return
            mv, pruned = queue.pop()
            summary = self._require(view, mv)
            if summary is None or (pruned and summary.pruned):
                continue
            for needed in graph.required[mv]:
                entry = (needed, pruned and summary.pruned)
                if entry not in seen:
                    seen.add(entry)
                    queue.append(entry)

    def _require(self, view: _View, mv: ModuleVersion) -> _Summary | None:
        """Add the requirements of one module version to the graph; None when they cannot be known."""
        actual = view.main.replaced(mv)
        if not actual.version:
            return None  # a folder beside the main module
        view.read.add(actual)
        summary = self._summary(actual)
        if summary is None:
            view.missing.add(actual)
            return None
        if error := summary.error or _wrong_path(summary, mv, actual):
            view.broken[actual] = error
            return None
        if mv not in view.graph.required:
            view.graph.required[mv] = view.main.kept(summary.require)
            view.graph.choose(view.graph.required[mv])
        return summary

    def _summary(self, mv: ModuleVersion) -> _Summary | None:
        summary = self._summaries.get(mv)
        if summary is None and (data := self._mod_of(mv)) is not None:
            summary = self._summaries[mv] = _summarize(mv, data)
        return summary


def _summarize(mv: ModuleVersion, data: bytes) -> _Summary:
    try:
        file = gomod.parse(f"{mv}/go.mod", data, lax=True)
    except InvalidGoModError as error:
        return _Summary("", (), pruned=False, error=str(error))
    path = file.module.path if file.module else ""
    return _Summary(path, tuple(require.mv for require in file.require), prunes(file.go))


def _wrong_path(summary: _Summary, mv: ModuleVersion, actual: ModuleVersion) -> str:
    if not summary.path:
        return "missing module line"
    if summary.path in (mv.path, actual.path):
        return ""
    return f"module declares its path as {summary.path} but was required as {mv.path}"


def prunes(go: str) -> bool:
    """Report whether a module with this `go` line ("" for none) lists all it needs, so that graphs stop at it."""
    match = _GO_VERSION.fullmatch(go)
    if match is None:
        return False
    version = (int(match[1]), int(match[2]))
    # 1.17rc1 comes before 1.17; of later ones the release candidates come after 1.17 too.
    return version > _PRUNED_SINCE or (version == _PRUNED_SINCE and (not match[3] or match[3].startswith(".")))


def _checked_out(release: ModuleVersion, data: bytes) -> gomod.ModFile | None:
    """Read a go.mod as the main module's; None when it says nothing more so, or cannot be one."""
    if b"replace" not in data and b"exclude" not in data:
        return None
    try:
        return gomod.parse(f"{release}/go.mod", data)
    except InvalidGoModError:
        return None


def _main_of(file: gomod.ModFile, *, as_main: bool, path: str = "") -> _Main:
    return _Main(
        path=path or (file.module.path if file.module else ""),
        require=tuple(dict.fromkeys(require.mv for require in file.require)),
        pruned=prunes(file.go),
        exclude=frozenset(exclude.mv for exclude in file.exclude) if as_main else frozenset(),
        replace={replace.old: replace.new for replace in file.replace} if as_main else {},
    )


def _closure(
    release: ModuleVersion,
    views: Iterable[_View] = (),
    *,
    missing: Iterable[ModuleVersion] = (),
    broken: Mapping[ModuleVersion, str] | None = None,
) -> Closure:
    """Join the views of a release; the first one gives the build list."""
    views = list(views)
    needed = {view.main.replaced(mv) for view in views for mv in view.graph.build_list()}
    read = {release}.union(*(view.read for view in views))
    unusable = dict(broken or {})
    for view in views:
        unusable |= view.broken
    return Closure(
        release=release,
        mods=frozenset(read),
        zips=frozenset(read & (needed | {release})),
        listed=frozenset(mv for mv in needed - read if mv.version),  # the others are folders
        missing=frozenset(missing).union(*(view.missing for view in views)),
        broken=unusable,
        build_list=tuple(views[0].graph.build_list()) if views else (),
        truncated=any(view.truncated for view in views),
    )
