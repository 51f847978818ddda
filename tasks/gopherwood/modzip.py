"""Module zips: the rules that make one extract to the same files everywhere, and one pass that checks all of them.

- Every name begins with "<module>@<version>/"; module and version are valid, canonical, and belong together.
- What follows is a valid file path (`module.check_file_path`), and no two are equal under Unicode case folding.
- go.mod, if there, is at the top and in lower case.
- The zip, and its contents in total, are at most 500 MiB; go.mod and LICENSE at most 16 MiB each.
- Contents have their declared sizes. Times, modes and empty folders do not count.

`check_zip` reports everything found, as Go's does, and opens no entry; `inspect` also reads the contents.
Authority: golang.org/x/mod/zip/zip.go, whose names these are in snake case. What is stricter: docs/content-rules.md.
"""

import hashlib
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path

from gopherwood import dirhash, module, zipdir
from gopherwood.errors import InvalidPathError, InvalidVersionError, InvalidZipError, TooLargeError
from gopherwood.module import ModuleVersion
from gopherwood.runes import fold, quote

MAX_ZIP_FILE = zipdir.MAX_ZIP_FILE
"""Bytes of a zip file, and of its contents in total."""
MAX_GO_MOD = 16 << 20
"""Bytes of a go.mod file."""
MAX_LICENSE = 16 << 20
"""Bytes of a LICENSE file."""
MAX_FOLDER_NAMES = 32 << 20
"""Bytes of all the names of folders that a zip implies, a bound of ours: a/a/a/… costs the square of its length."""

_LIMITS = {"go.mod": MAX_GO_MOD, "LICENSE": MAX_LICENSE}
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class FileError:
    """A file of the zip, by its full name there, and what is wrong with it."""

    path: str
    error: str

    def __str__(self) -> str:
        return f"{self.path}: {self.error}"


@dataclass(frozen=True, slots=True)
class CheckedFiles:
    """What `check_zip` found."""

    valid: list[str] = field(default_factory=list)
    omitted: list[FileError] = field(default_factory=list)
    """Always empty for a zip; files are omitted when one is made."""
    invalid: list[FileError] = field(default_factory=list)
    size_error: str | None = None

    def err(self) -> None:
        """Raise TooLargeError or InvalidZipError if this is not the report of a valid module zip."""
        if self.size_error:
            raise TooLargeError(self.size_error)
        if self.invalid:
            shown = "; ".join(map(str, self.invalid[:_SHOWN]))
            more = f"; and {len(self.invalid) - _SHOWN} more" if len(self.invalid) > _SHOWN else ""
            raise InvalidZipError(shown + more)


@dataclass(frozen=True, slots=True)
class ZipFacts:
    """What `inspect` learned about a valid module zip."""

    checked: CheckedFiles
    h1: str
    go_mod: bytes | None
    """The go.mod file, None if there is none."""
    entries: int
    uncompressed: int
    """Bytes of contents in total."""
    sha256: str
    """Hexadecimal SHA-256 of the zip file itself."""


def check_zip(mv: ModuleVersion, zip_path: Path) -> CheckedFiles:
    """Check the names and declared sizes in a module zip, as zip.CheckZip does.

    Raises InvalidPathError or InvalidVersionError for the module version, InvalidZipError if the directory of the zip
    cannot be read. Ask `err()` of the report for the rest.
    """
    _check_version(mv)
    size = zip_path.stat().st_size
    if size > MAX_ZIP_FILE:
        return CheckedFiles(size_error=zipdir.too_large(size))
    return _check(mv, zipdir.open_archive(zip_path))


def inspect(mv: ModuleVersion, zip_path: Path) -> ZipFacts:
    """Check a module zip whole, names and contents, and return its hashes and its go.mod, in one pass.

    Raises what `check_zip` and its report's `err()` raise, and InvalidZipError for contents that are not as declared.
    """
    _check_version(mv)
    archive = zipdir.open_archive(zip_path, strict=True)
    checked = _check(mv, archive)
    checked.err()
    h1, go_mod = dirhash.hash_archive(archive, keep=f"{mv}/go.mod")
    total = sum(entry.size for entry in archive.entries)
    return ZipFacts(checked, h1, go_mod, len(archive.entries), total, hashlib.sha256(archive.view).hexdigest())


def read_go_mod(zip_path: Path, mv: ModuleVersion) -> bytes | None:
    """Return the go.mod file in a module zip, None if there is none; raises TooLargeError above 16 MiB."""
    archive = zipdir.open_archive(zip_path)
    name = f"{mv}/go.mod"
    for entry, body in archive.locate():
        if entry.name == name:
            if entry.size > MAX_GO_MOD:
                raise TooLargeError(_too_large("go.mod", MAX_GO_MOD))
            return b"".join(archive.chunks(entry, body))
    return None


def _check_version(mv: ModuleVersion) -> None:
    canonical = module.canonical_version(mv.version)
    if canonical != mv.version:
        raise InvalidVersionError(f"version {quote(mv.version)} is not canonical (should be {quote(canonical)})")
    module.check(mv.path, mv.version)


def _check(mv: ModuleVersion, archive: zipdir.Archive) -> CheckedFiles:
    prefix = f"{mv}/"
    valid, invalid, size_error = [], [], None
    collisions = _Collisions()
    left = MAX_ZIP_FILE
    for entry in archive.entries:
        name, is_folder, problem = _check_name(entry.name, prefix, collisions)
        if problem:
            invalid.append(FileError(entry.name, problem))
        if problem or is_folder:
            continue
        if entry.size <= left:
            left -= entry.size
        else:
            size_error = f"total uncompressed size of module contents too large (max size is {MAX_ZIP_FILE} bytes)"
        limit = _LIMITS.get(name)
        # Go reads a size of 2^63 or more as a negative number: too large in total, yet not above any other limit.
        if limit is not None and limit < entry.size < 1 << 63:
            invalid.append(FileError(entry.name, _too_large(name, limit)))
            continue
        valid.append(entry.name)
    return CheckedFiles(valid, [], invalid, size_error)


def _too_large(name: str, limit: int) -> str:
    return f"{name} file too large (max size is {limit} bytes)"


def _check_name(full: str, prefix: str, collisions: "_Collisions") -> tuple[str, bool, str]:
    """Return the name below the prefix, whether it is a folder's, and what is wrong with it ("" = nothing)."""
    if not full.startswith(prefix):
        return full, False, f"path does not have prefix {quote(prefix)}"
    name = full[len(prefix) :]
    if not name:
        return "", True, ""
    is_folder = name.endswith("/")
    name = name.removesuffix("/")
    if not _is_clean(name):
        return name, is_folder, "file path is not clean"
    try:
        module.check_file_path(name)
    except InvalidPathError as error:
        return name, is_folder, str(error)
    problem = collisions.check(name, is_folder)
    if not problem and not is_folder:
        base = name.rpartition("/")[2]
        if fold(base) == "go.mod" and name != "go.mod":
            at_top = base == name
            problem = "go.mod files must have lowercase names" if at_top else "go.mod file not in module root directory"
    return name, is_folder, problem


def _is_clean(path: str) -> bool:
    """Report whether Go's path.Clean would leave the path as it is."""
    elements = path.split("/")
    if path in (".", "/"):
        return True
    # A path may begin with one slash, or with any number of "..".
    rest = iter(elements[1:] if path[:1] == "/" else dropwhile(lambda element: element == "..", elements))
    return all(element not in ("", ".", "..") for element in rest)


class _Collisions:
    """Finds names that are equal but for case, and paths that are both a file and a folder.

    A folder whose own folders passed, or failed, is not looked at again: its answer cannot change. Go looks again.
    """

    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, bool]] = {}
        self.folders: dict[str, str] = {"": ""}
        self.names = 0

    def check(self, path: str, is_folder: bool) -> str:
        """Add a path and, if they are new, its folders; return what is wrong, or ""."""
        if is_folder and path in self.folders:
            return self.folders[path]
        problem = self._add(path, is_folder)
        above: list[str] = [path] if is_folder else []
        parent = path.rpartition("/")[0]
        while not problem and parent not in self.folders:
            problem = self._add(parent, True)
            above.append(parent)
            parent = parent.rpartition("/")[0]
        problem = problem or self.folders[parent]
        for folder in above:
            self.folders[folder] = problem
        return problem

    def _add(self, path: str, is_folder: bool) -> str:
        key = fold(path)
        if key not in self.seen:
            self.names += len(path) if is_folder else 0
            if self.names > MAX_FOLDER_NAMES:
                raise InvalidZipError(f"names of folders are too large in total (max size is {MAX_FOLDER_NAMES} bytes)")
            self.seen[key] = (path, is_folder)
            return ""
        other, other_is_folder = self.seen[key]
        if other != path:
            return f"case-insensitive file name collision: {quote(other)} and {quote(path)}"
        if other_is_folder != is_folder:
            return f"entry {quote(path)} is both a file and a directory"
        return "" if is_folder else f"multiple entries for file {quote(path)}"
