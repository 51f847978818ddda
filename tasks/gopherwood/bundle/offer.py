"""What an import is offered: versions with their files, and what a checksum database said of them.

To whoever stages versions an offer is an upstream (`info`, `mod`, `zip_to`), so that what is imported goes the way of
all else. Of a bundle every byte is compared with the manifest while it is read. Nothing here judges content.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from gopherwood import store
from gopherwood.bundle import manifest, seal
from gopherwood.bundle.files import Files, digest, read
from gopherwood.bundle.manifest import MANIFEST, SEAL, FileLine, Header, VersionLine
from gopherwood.errors import BundleError, DamagedError, NotFoundError, StorageError, TooLargeError
from gopherwood.info import MAX_INFO
from gopherwood.module import ModuleVersion
from gopherwood.modzip import MAX_GO_MOD, MAX_ZIP_FILE
from gopherwood.note import Verifier
from gopherwood.readremote import MAX_REPLY

LIMITS: Final = {".info": MAX_INFO, ".mod": MAX_GO_MOD, ".zip": MAX_ZIP_FILE}
_CHUNK: Final = 1 << 20


class Offer(Protocol):
    """Versions that may be imported."""

    name: str
    why: str
    """The name, and what tells this offer from any other of the same name."""
    signed_by: str
    """The known key that vouches for it, "" when nobody does."""
    known: tuple[Verifier, ...]
    """The keys that were given or configured; a ledger that one of them signs may be inside."""
    incomplete: int
    """Versions that have no zip, and are no versions therefore."""

    def versions(self) -> Iterator[VersionLine]:
        """Yield the versions, sorted."""

    def forget(self) -> None:
        """Forget the versions that were yielded: nobody reads their files any more."""

    def info(self, mv: ModuleVersion) -> bytes:
        """Return the `.info`; raises DamagedError for one that is not as it was."""

    def mod(self, mv: ModuleVersion) -> bytes:
        """Return the `.mod`; as above."""

    def zip_to(self, mv: ModuleVersion, path: Path) -> int:
        """Write the `.zip` into a file; return its bytes; as above."""

    def sumdb(self, name: str, subpath: str) -> bytes:
        """Return what a checksum database answered at a path below its root; raises NotFoundError."""

    def edges(self, name: str) -> list[str]:
        """Return the tiles that prove earlier trees to be the beginning of the one inside."""

    def close(self) -> None:
        """Close the files."""


class Bundle:
    """A bundle with a manifest, whose signature and names were checked when it was opened."""

    def __init__(self, files: Files, keys: seal.Keys) -> None:
        self._files = files
        self.name = files.name
        self.known = keys.verifiers
        self.incomplete = 0
        with files.open(MANIFEST) as file:
            size, sha256 = digest(file)
        sealed = read(files, SEAL, seal.MAX_SEAL) if files.size(SEAL) is not None else None
        self.signed_by = seal.check(sealed, sha256, size, keys)
        self.why = f"{self.name}, manifest sha256:{sha256}"
        self._others: dict[str, FileLine] = {}
        self._lines: dict[ModuleVersion, VersionLine] = {}
        self.header = self._check_names(1 if sealed is None else 2)

    def _check_names(self, count: int) -> Header:
        """Read the manifest through once: a tar holds what it names, and nothing else."""
        lines = self._parse()
        header = next(lines)
        assert isinstance(header, Header)
        for line in lines:
            if isinstance(line, FileLine):
                self._others[line.name] = line
                names = [line.name]
            else:
                assert isinstance(line, VersionLine)
                names = [store.key(line.mv, suffix) for suffix in manifest.SUFFIXES]
            count += len(names)
            missing = [name for name in names if self._files.closed_set and self._files.size(name) is None]
            if missing:
                raise BundleError(f"{self.name} has no {missing[0]}, which its manifest names")
        if self._files.closed_set and count != sum(1 for _ in self._files.names()):
            raise BundleError(f"{self.name} holds files that its manifest does not name")
        return header

    def _parse(self) -> Iterator[manifest.Line]:
        with self._files.open(MANIFEST) as file:
            yield from manifest.parse(file)

    def versions(self) -> Iterator[VersionLine]:
        """Yield the versions, sorted; the files of the last ones yielded can be read."""
        for line in self._parse():
            if isinstance(line, VersionLine):
                self._lines[line.mv] = line
                yield line

    def forget(self) -> None:
        """Forget the lines of the versions that were yielded: nobody reads their files any more."""
        self._lines.clear()

    def info(self, mv: ModuleVersion) -> bytes:
        """Return the `.info`."""
        return self._whole(mv, ".info")

    def mod(self, mv: ModuleVersion) -> bytes:
        """Return the `.mod`."""
        return self._whole(mv, ".mod")

    def zip_to(self, mv: ModuleVersion, path: Path) -> int:
        """Write the `.zip` into a file; return its bytes."""
        size, sha256 = self._lines[mv].files[".zip"]
        with self._open(store.key(mv, ".zip")) as file:
            found = copy(file, path, min(size, MAX_ZIP_FILE))
        return _check(store.key(mv, ".zip"), (size, sha256), found)

    def sumdb(self, name: str, subpath: str) -> bytes:
        """Return a file of a checksum database; raises DamagedError for one that is not as it was."""
        line = self._others.get(f"sumdb/{name}/{subpath}")
        if line is None:
            raise NotFoundError(f"{self.name} has no sumdb/{name}/{subpath}")
        data = read(self._files, line.name, min(line.size, MAX_REPLY))
        _check(line.name, (line.size, line.sha256), (len(data), hashlib.sha256(data).hexdigest()))
        return data

    def edges(self, name: str) -> list[str]:
        """Return the tiles that prove earlier trees to be the beginning of the one inside."""
        start = f"sumdb/{name}/"
        lines = self._others.values()
        return [line.name.removeprefix(start) for line in lines if line.edge and line.name.startswith(start)]

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _whole(self, mv: ModuleVersion, suffix: str) -> bytes:
        said = self._lines[mv].files[suffix]
        name = store.key(mv, suffix)
        with self._open(name) as file:
            data = file.read(min(said[0], LIMITS[suffix]) + 1)
        _check(name, said, (len(data), hashlib.sha256(data).hexdigest()))
        return data

    def _open(self, name: str) -> BinaryIO:
        try:
            return self._files.open(name)
        except NotFoundError as error:
            raise DamagedError(f"the bundle's manifest names it, and it is not there: {error}") from None


def copy(file: BinaryIO, path: Path, limit: int) -> tuple[int, str]:
    """Write a stream of at most `limit` bytes into a file; return its size and SHA-256.

    Raises TooLargeError for more, StorageError when it cannot be written.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("wb") as into:
            while block := file.read(_CHUNK):
                size += len(block)
                if size > limit:
                    raise TooLargeError(f"more than {limit} bytes")
                digest.update(block)
                into.write(block)
    except OSError as error:
        raise StorageError(f"cannot stage {path}: {error.strerror}") from error
    return size, digest.hexdigest()


def _check(name: str, said: tuple[int, str], found: tuple[int, str]) -> int:
    if found != said:
        sizes = f"{found[0]} bytes, sha256 {found[1]}, not {said[0]} bytes, {said[1]}"
        raise DamagedError(f"{name} is not what the bundle's manifest says: {sizes}")
    return found[0]
