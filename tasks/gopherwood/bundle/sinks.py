"""Writing a bundle: into a folder or a tar file, so that what was interrupted never looks whole.

A tar is written beside its place under a name that ends in `.part`, fsynced and renamed. A folder is filled file by
file, each written aside, fsynced and renamed; its manifest comes last, and the same command goes on where one stopped:
a file that is there with the right bytes is not written again. Bundles travel on sticks of every file system, so
nothing here needs links. The tar is the same bytes for the same content: names in one order, no times, no owners.
"""

import fcntl
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from gopherwood.bundle.files import digest
from gopherwood.bundle.manifest import MANIFEST, SEAL
from gopherwood.errors import IntegrityError, StorageError, UsageError

PART: Final = ".part"
_CHUNK: Final = 1 << 20
_MODE: Final = 0o444


class Sink(Protocol):
    """Where the files of a bundle go."""

    def add(self, name: str, size: int, sha256: str, content: BinaryIO) -> None:
        """Write a file; raises IntegrityError when its bytes are not what was announced."""


class _Counted:
    """A stream of exactly `size` bytes that hashes what is read from it."""

    def __init__(self, content: BinaryIO, size: int) -> None:
        self._content = content
        self._left = size
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; b"" at the end."""
        data = self._content.read(min(size if size >= 0 else self._left, self._left))
        self._left -= len(data)
        self._digest.update(data)
        return data

    def check(self, name: str, sha256: str) -> None:
        """Raise IntegrityError unless exactly these bytes were there."""
        if self._left or self._content.read(1) or self._digest.hexdigest() != sha256:
            said = f"the store's {name} is not what was published: the export is given up"
            raise IntegrityError(said, hint="the store is damaged; find out before anything is handed on")


class _TarSink:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def add(self, name: str, size: int, sha256: str, content: BinaryIO) -> None:
        """Append a file."""
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, _MODE, 0
        counted = _Counted(content, size)
        try:
            self._tar.addfile(member, counted)
        except OSError:
            counted.check(name, sha256)  # too few bytes look like an error of the disk to tarfile
            raise
        counted.check(name, sha256)


class _FolderSink:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: set[Path] = {root}

    def add(self, name: str, size: int, sha256: str, content: BinaryIO) -> None:
        """Write a file, unless it is there."""
        path = self._root / name
        if _is(path, size, sha256):
            return
        self._make(path.parent)
        part = path.with_name(path.name + PART)
        part.unlink(missing_ok=True)
        counted = _Counted(content, size)
        with part.open("xb") as file:
            while block := counted.read(_CHUNK):
                file.write(block)
            counted.check(name, sha256)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(_MODE)
        part.replace(path)

    def sync(self) -> None:
        """Make the names of all that was written durable."""
        for folder in sorted(self._folders, key=lambda each: -len(each.parts)):
            _sync_folder(folder)

    def _make(self, folder: Path) -> None:
        while folder not in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
            folder = folder.parent


@contextmanager
def into_tar(path: Path, manifest: Path, sealed: bytes | None) -> Iterator[Sink]:
    """Give a sink for a tar file, which is there, whole and durable, when the block ends without an error.

    Raises StorageError, and UsageError while another export writes to the same place.
    """
    part = path.with_name(path.name + PART)
    with _errors(path), part.open("ab") as file:
        _lock(file, path)
        file.truncate(0)
        with ExitStack() as stack:
            stack.callback(part.unlink, missing_ok=True)
            with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK) as tar:
                sink = _TarSink(tar)
                for name, source in _heads(manifest, sealed):
                    _add_file(sink, name, source)
                yield sink
            file.flush()
            os.fsync(file.fileno())
            part.rename(path)
            stack.pop_all()
        _sync_folder(path.parent)


@contextmanager
def into_folder(root: Path, manifest: Path, sealed: bytes | None) -> Iterator[Sink]:
    """Give a sink for a folder, which gets its manifest, durably, when the block ends without an error.

    Raises UsageError for a folder that holds another bundle, StorageError.
    """
    with _errors(root):
        root.mkdir(parents=True, exist_ok=True)
        if (root / MANIFEST).exists() and _digest(root / MANIFEST) != _digest(manifest):
            raise UsageError(f"{root} holds another bundle", hint="name a new folder for each bundle")
        sink = _FolderSink(root)
        yield sink
        sink.sync()
        for name, source in reversed(list(_heads(manifest, sealed))):
            _add_file(sink, name, source)
        sink.sync()


def _heads(manifest: Path, sealed: bytes | None) -> Iterator[tuple[str, Path | bytes]]:
    yield MANIFEST, manifest
    if sealed is not None:
        yield SEAL, sealed


def _add_file(sink: Sink, name: str, source: Path | bytes) -> None:
    if isinstance(source, bytes):
        sink.add(name, len(source), hashlib.sha256(source).hexdigest(), io.BytesIO(source))
        return
    size, sha256 = _digest(source)
    with source.open("rb") as file:
        sink.add(name, size, sha256, file)


def _is(path: Path, size: int, sha256: str) -> bool:
    try:
        return path.stat().st_size == size and _digest(path) == (size, sha256)
    except FileNotFoundError:
        return False


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return digest(file)


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"another export writes {path}", hint="wait for it, or name another file") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{error.filename or path}: {error.strerror}", hint="is there room, and may we write?"
        ) from error
