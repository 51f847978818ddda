"""Where the files of a bundle are: a folder here, a tar file in tarball.py. Both are read as a stranger's."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from gopherwood.errors import BundleError, NotFoundError, StorageError

LONGEST_NAME: Final = 1_000
"""Bytes of a name; a store's own keys are shorter."""


class Files(Protocol):
    """Some named files, whose names were checked (`check_name`)."""

    name: str
    """What a person calls them: the last part of their path."""
    closed_set: bool
    """Whether there is nothing but what somebody put in on purpose; a folder also holds what was left behind in it."""

    def names(self) -> Iterator[str]:
        """Yield all names."""

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, None when there is none."""

    def open(self, name: str) -> BinaryIO:
        """Open a file; raises NotFoundError."""

    def close(self) -> None:
        """Let go of what is open."""


def check_name(name: str) -> str:
    """Return a name that stays inside: relative, plain segments, no control characters. Raises BundleError."""
    parts = name.split("/")
    too_long = len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME
    if too_long or "\\" in name or not name.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise BundleError(f"a file in it has a name that no bundle has: {name[:200]!r}")
    return name


def read(files: Files, name: str, limit: int) -> bytes:
    """Return all bytes of a file; raises NotFoundError, and BundleError for one of more than `limit` bytes."""
    with files.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BundleError(f"{name} has more than {limit} bytes")
    return data


def digest(file: BinaryIO) -> tuple[int, str]:
    """Return the bytes of a stream, to its end, and their SHA-256 in hexadecimal."""
    size, found = 0, hashlib.sha256()
    while block := file.read(1 << 20):
        size += len(block)
        found.update(block)
    return size, found.hexdigest()


class Folder:
    """The files below a folder. Links are not followed, and what is no regular file is not there."""

    closed_set = False

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self.name = self._root.name

    def names(self) -> Iterator[str]:
        """Yield the names of all regular files, folder by folder, sorted."""
        for folder, subfolders, names in os.walk(self._root):
            subfolders.sort()
            inside = Path(folder).relative_to(self._root).as_posix()
            for name in sorted(names):
                whole = name if inside == "." else f"{inside}/{name}"
                if self.size(whole) is not None:
                    yield check_name(whole)

    def size(self, name: str) -> int | None:
        """Return the size of a regular file."""
        try:
            found = (self._root / name).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(f"{self._root / name}: {error.strerror}") from error
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def open(self, name: str) -> BinaryIO:
        """Open a regular file; raises NotFoundError."""
        path = self._root / check_name(name)
        try:
            # Without O_NONBLOCK a named pipe in the folder would wait for ever.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"{name} is not in {self._root}") from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NotFoundError(f"{path} is a link, which is not followed") from None
            raise StorageError(f"{path}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotFoundError(f"{path} is no regular file")
        return os.fdopen(descriptor, "rb")

    def close(self) -> None:
        """Do nothing: no file stays open."""
