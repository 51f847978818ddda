"""A plain tree of module files: `$GOMODCACHE/cache/download`, or any folder that `GOPROXY=file://` can name.

There is no manifest, so nobody vouches for anything: what a version is must be shown by the checksum database. Part of
what `go` verified against it lies in the cache (`sumdb/<name>/lookup`, `tile`) and proves what it can. Files that are
no module's are passed over: `go`'s locks, hashes, unfinished downloads, other people's notes.
"""

from collections.abc import Iterator
from pathlib import Path

from gopherwood import info, module, pseudo, store
from gopherwood.bundle.files import Files, read
from gopherwood.bundle.manifest import VersionLine
from gopherwood.bundle.offer import LIMITS, copy
from gopherwood.errors import ContentError, NotFoundError, UsageError
from gopherwood.info import Info
from gopherwood.module import ModuleVersion
from gopherwood.note import Verifier
from gopherwood.readremote import MAX_REPLY

NEEDED = (".mod", ".zip")


class Tree:
    """The versions of a tree that have a zip and a go.mod."""

    signed_by = ""
    known: tuple[Verifier, ...] = ()

    def __init__(self, files: Files) -> None:
        self._files = files
        self.name = files.name
        self.why = f"{self.name}, a plain tree"
        found = _versions(files)
        if not found:
            raise UsageError(f"{self.name} holds no module version", hint="name a bundle, or GOMODCACHE/cache/download")
        self._complete = sorted(mv for mv, suffixes in found.items() if suffixes.issuperset(NEEDED))
        self.incomplete = len(found) - len(self._complete)

    def versions(self) -> Iterator[VersionLine]:
        """Yield the versions, sorted, each with the hash that `go` noted beside it."""
        for mv in self._complete:
            yield VersionLine(mv, self._noted_hash(mv), "", {})

    def forget(self) -> None:
        """Do nothing: nothing is remembered of a version."""

    def info(self, mv: ModuleVersion) -> bytes:
        """Return the `.info`; of a version that `go` took from go.sum without asking for one, what can be known."""
        try:
            return read(self._files, store.key(mv, ".info"), LIMITS[".info"])
        except NotFoundError:
            time = pseudo.pseudo_version_time(mv.version) if pseudo.is_pseudo_version(mv.version) else None
            return info.canonical(Info(mv.version, time, None))

    def mod(self, mv: ModuleVersion) -> bytes:
        """Return the `.mod`."""
        return read(self._files, store.key(mv, ".mod"), LIMITS[".mod"])

    def zip_to(self, mv: ModuleVersion, path: Path) -> int:
        """Write the `.zip` into a file; return its bytes."""
        with self._files.open(store.key(mv, ".zip")) as file:
            return copy(file, path, LIMITS[".zip"])[0]

    def sumdb(self, name: str, subpath: str) -> bytes:
        """Return what a checksum database answered `go`.

        A store of ours keeps records without the tree head that they came with: those prove nothing by themselves.
        """
        data = read(self._files, f"sumdb/{name}/{subpath}", MAX_REPLY)
        if subpath.startswith("lookup/") and data.endswith(b"\n\n"):
            raise NotFoundError(f"{self.name} has {subpath} without a tree head")
        return data

    def edges(self, name: str) -> list[str]:
        """Return nothing: a cache proves single records."""
        return []

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _noted_hash(self, mv: ModuleVersion) -> str:
        try:
            return read(self._files, f"{store.key(mv, '.zip')}hash", 200).decode("ascii", "replace").strip()
        except NotFoundError:
            return ""


def _versions(files: Files) -> dict[ModuleVersion, set[str]]:
    """Return the versions that have files in a tree, and which."""
    found: dict[ModuleVersion, set[str]] = {}
    for name in files.names():
        path, at, last = name.rpartition("/@v/")
        version, dot, ending = last.rpartition(".")
        if not at or f".{ending}" not in LIMITS:
            continue
        try:
            mv = ModuleVersion(module.unescape_path(path), module.unescape_version(version))
            module.check(mv.path, mv.version)
        except ContentError:
            continue
        found.setdefault(mv, set()).add(dot + ending)
    return found
