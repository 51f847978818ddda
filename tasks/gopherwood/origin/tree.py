"""The files of a module at a commit, as `go` would pack them into a zip.

`git archive` gives the tree, with the settings that `go` gives it, so that attributes of line ends count and those of
exports do not. Of it belong to the module: regular files below its folder, but none of other modules in it (a folder
with a go.mod), nor vendored ones; and the LICENSE of the repository's top, where the module has none of its own.
Authority: codeRepo.Zip and gitRepo.ReadZip of cmd/go/internal/modfetch; checkFiles and isVendoredPackage of
golang.org/x/mod/zip.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gopherwood import dirhash, gomod, module, modzip, zipdir
from gopherwood.errors import ContentError, InvalidZipError, TooLargeError, UpstreamError
from gopherwood.http import redact
from gopherwood.module import ModuleVersion
from gopherwood.origin.git import Git
from gopherwood.origin.remote import Refs, Remote
from gopherwood.origin.values import folders_of

_GO_124 = (1, 24)
_ARCHIVE = ("-c", "core.autocrlf=input", "-c", "core.eol=lf")


class File(NamedTuple):
    """One file of a module."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a module by their names in it, and how to read one again."""

    files: dict[str, File]
    h1: str
    read: Callable[[str], bytes]


@contextmanager
def files_at(
    git: Git, remote: Remote, refs: Refs, ref: str, mv: ModuleVersion, subdir: str
) -> Iterator[tuple[str, Files]]:
    """Fetch what a ref names now; yield its commit and the module's files there.

    Raises UpstreamError when it cannot be fetched, ContentError when what is there is no module of this path.
    """
    with git.repository() as folder:
        if not remote.fetch(refs.target, f"+{ref}:refs/gopherwood/now", folder, "--depth=1"):
            raise UpstreamError(f"{ref} is gone from {redact(refs.target.url)} again")
        commit = _said(git, folder, "rev-parse", "--verify", "refs/gopherwood/now^{commit}").decode().strip()
        where = _folder_of(git, folder, commit, mv, subdir)
        path = folder / "archive.tar"
        arguments = ["archive", "--format=tar", f"--output={path}", commit, *([where] if where else [])]
        done = git.run(*arguments, options=_ARCHIVE, folder=folder)
        if done.code:
            raise InvalidZipError(f"{mv} at {commit}: git archive: {done.says}")
        licence = b"" if not where else _blob(git, folder, commit, "LICENSE")
        with tarfile.open(path, "r:") as archive:
            yield commit, _packed(mv, archive, f"{where}/" if where else "", licence)


def _packed(mv: ModuleVersion, archive: tarfile.TarFile, prefix: str, licence: bytes) -> Files:
    """Return the module's files of an archive; `licence` is that of the repository's top, for a module below it."""
    members = {m.name.removeprefix(prefix): m for m in archive if m.isreg() and m.name.startswith(prefix)}
    sizes = {name: member.size for name, member in members.items()}
    if licence:
        sizes.setdefault("LICENSE", len(licence))

    def read(name: str) -> bytes:
        file = archive.extractfile(members[name]) if name in members else None
        return file.read() if file else licence

    go_mod = read("go.mod") if 0 < sizes.get("go.mod", 0) <= modzip.MAX_GO_MOD else b""
    chosen = sorted(packed(sizes, go_version(go_mod)))
    if sum(sizes[name] for name in chosen) > modzip.MAX_ZIP_FILE:
        raise TooLargeError(f"{mv}: module source tree too large (max size is {modzip.MAX_ZIP_FILE} bytes)")
    for name in chosen:
        module.check_file_path(name)
    files = {name: File(sizes[name], hashlib.sha256(read(name)).hexdigest()) for name in chosen}
    top = f"{mv}/"
    h1 = dirhash.hash1([top + name for name in chosen], lambda name: io.BytesIO(read(name.removeprefix(top))))
    return Files(files, h1, read)


def published(mv: ModuleVersion, path: Path) -> Files:
    """Return the files of a module zip on disk; raises InvalidZipError when it is damaged."""
    archive = zipdir.open_archive(path)
    entries = {entry.name.removeprefix(f"{mv}/"): (entry, body) for entry, body in archive.locate()}

    def read(name: str) -> bytes:
        return b"".join(archive.chunks(*entries[name]))

    files = {name: File(entry.size, hashlib.sha256(read(name)).hexdigest()) for name, (entry, _) in entries.items()}
    return Files(files, dirhash.hash_archive(archive)[0], read)


# --- which files, as x/mod/zip has it ---------------------------------------------------------------------------------


def packed(names: Iterable[str], go: tuple[int, int]) -> list[str]:
    """Return those of a tree's regular files that belong into the module zip; `go` is go.mod's version of Go."""
    names = list(names)
    nested = {name.rpartition("/")[0] for name in names if "/" in name and name.rpartition("/")[2].lower() == "go.mod"}
    return [
        name
        for name in names
        if not is_vendored(name, go) and name != ".hg_archival.txt" and nested.isdisjoint(_folders_above(name))
    ]


def is_vendored(name: str, go: tuple[int, int]) -> bool:
    """Report whether a file is left out as a vendored one.

    Before Go 1.24 the rule had two slips, which modules of those days keep, or their hashes would change.
    """
    if go >= _GO_124 and name == "vendor/modules.txt":
        return True
    if name.startswith("vendor/"):
        rest = name[len("vendor/") :]
    elif (at := name.find("/vendor/")) >= 0:
        rest = name[(at if go >= _GO_124 else 0) + len("/vendor/") :]
    else:
        return False
    return "/" in rest


def go_version(go_mod: bytes) -> tuple[int, int]:
    """Return the major and minor version of Go that a go.mod names, (0, 0) when it names none."""
    try:
        said = gomod.parse("go.mod", go_mod, lax=True).go or ""
    except ContentError:
        return 0, 0
    match = re.match(r"(\d{1,6})\.(\d{1,6})", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _folders_above(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


# --- where in the repository ------------------------------------------------------------------------------------------


def _folder_of(git: Git, folder: Path, commit: str, mv: ModuleVersion, subdir: str) -> str:
    """Return the module's folder: that of its major version if a go.mod there says so, else the one without."""
    first, *others = folders_of(mv.path, subdir)
    if not others:
        return first
    major = module.split_path_version(mv.path)[1]
    named = gomod.module_path(_blob(git, folder, commit, f"{first}/go.mod")) or ""
    return first if module.split_path_version(named)[1] == major else others[0]


def _blob(git: Git, folder: Path, commit: str, name: str) -> bytes:
    """Return a file of a commit, b"" when it has none of this name."""
    done = git.run("cat-file", "blob", f"{commit}:{name}", folder=folder)
    return done.out if done.code == 0 else b""


def _said(git: Git, folder: Path, *arguments: str) -> bytes:
    done = git.run(*arguments, folder=folder)
    if done.code:
        raise UpstreamError(f"git {arguments[0]}: {done.says}")
    return done.out
