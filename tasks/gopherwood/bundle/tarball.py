"""Reading a plain tar file that a stranger made.

Of the format only this much is taken: regular files, folders (which say nothing), and the two ways to write a name of
more than 100 bytes (a pax header, GNU's long name). Links, devices, sparse files, absolute names, `..`, control
characters, a name twice, a size that lies: the whole file is refused before anything in it was read. The archive must
be whole: its end is marked, and without the mark nothing of it is taken. Compressed archives are not read, so there is
nothing to be blown up. Authority: POSIX pax(1), "ustar Interchange Format"; the GNU tar manual, "Basic Tar Format".
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

from gopherwood.bundle.files import check_name
from gopherwood.errors import BundleError, NotFoundError, StorageError, TruncatedError, UsageError

BLOCK: Final = 512
_END: Final = bytes(BLOCK)
_LONGEST_HEADER: Final = 8 << 10
"""Bytes of a pax header or a long name that are read; real ones are below 1 KiB."""
_REGULAR: Final = frozenset(b"0\0")
_FOLDER: Final = ord("5")
_PAX: Final = ord("x")
_LONG_NAME: Final = ord("L")
_PAX_RECORD: Final = re.compile(rb"([1-9][0-9]{0,4}) ([^=\n]+)=")
_PAX_SAYS_NOTHING: Final = frozenset({b"mtime", b"atime", b"ctime", b"uid", b"gid", b"uname", b"gname", b"comment"})
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class Archive:
    """The regular files of a tar file, found once and then read in place. Any number of threads may read."""

    closed_set = True

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from error
        self._size = os.fstat(self._file.fileno()).st_size
        with ExitStack() as stack:
            stack.callback(self._file.close)
            self._where = self._index()
            stack.pop_all()

    def names(self) -> Iterator[str]:
        """Yield the names, in the archive's order."""
        return iter(self._where)

    def size(self, name: str) -> int | None:
        """Return the size of a file."""
        return self._where[name][1] if name in self._where else None

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; raises NotFoundError."""
        if name not in self._where:
            raise NotFoundError(f"{name} is not in {self.name}")
        return io.BufferedReader(_Member(self._file.fileno(), *self._where[name]), 1 << 18)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _index(self) -> dict[str, tuple[int, int]]:
        """Find each regular file: where its bytes start, and how many they are."""
        found: dict[str, tuple[int, int]] = {}
        at, long_name = 0, b""
        while (header := self._block(at)) != _END:
            if at == 0:
                _check_uncompressed(self.name, header)
            size, kind = _parse(self.name, header)
            start, at = at + BLOCK, at + BLOCK + -(-size // BLOCK) * BLOCK
            if at > self._size:
                raise self._cut()
            if kind in (_PAX, _LONG_NAME):
                long_name = self._long_name(kind, start, size)
                continue
            name = _name(long_name or _short_name(header), is_folder=kind == _FOLDER)
            long_name = b""
            if kind == _FOLDER:
                continue
            if kind not in _REGULAR:
                raise BundleError(f"{self.name}: {name} is a link, a device or another thing that no bundle has")
            if name in found:
                raise BundleError(f"{self.name} has {name} twice")
            found[name] = (start, size)
        return found

    def _block(self, at: int) -> bytes:
        block = os.pread(self._file.fileno(), BLOCK, at)
        if len(block) < BLOCK:
            raise self._cut()
        return block

    def _cut(self) -> TruncatedError:
        return TruncatedError(f"{self.name} is cut short: nothing of it is taken", hint="copy it again, whole")

    def _long_name(self, kind: int, start: int, size: int) -> bytes:
        if size > _LONGEST_HEADER:
            raise BundleError(f"{self.name} has a header of {size} bytes")
        data = os.pread(self._file.fileno(), size, start)
        return data.rstrip(b"\0") if kind == _LONG_NAME else _pax_path(self.name, data)


class _Member(io.RawIOBase):
    """The bytes of one file in the archive."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor = descriptor
        self._at = start
        self._end = start + size

    def readable(self) -> bool:
        """Tell that it is for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read the next bytes."""
        data = os.pread(self._descriptor, min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _check_uncompressed(archive: str, start: bytes) -> None:
    for magic, kind in _COMPRESSED.items():
        if start.startswith(magic):
            raise UsageError(f"{archive} is compressed ({kind})", hint="unpack it first: a bundle is a plain tar file")


def _parse(archive: str, header: bytes) -> tuple[int, int]:
    """Return a member's size and kind; raises BundleError for what is no header."""
    unsummed = header[:148] + b" " * 8 + header[156:]
    if _octal(header[148:156]) != sum(unsummed) or header[257:262] != b"ustar":
        raise BundleError(f"{archive} is no tar file, or damaged")
    size = _octal(header[124:136])
    if size is None:
        raise BundleError(f"{archive} has a member whose size is no number")
    return size, header[156]


def _octal(field: bytes) -> int | None:
    text = field.strip(b" \0")
    return int(text, 8) if text and not text.strip(b"01234567") else None


def _short_name(header: bytes) -> bytes:
    name, prefix = (part.partition(b"\0")[0] for part in (header[:100], header[345:500]))
    is_posix = header[257:263] == b"ustar\0"
    return prefix + b"/" + name if prefix and is_posix else name


def _name(raw: bytes, *, is_folder: bool) -> str:
    text = raw.decode("utf-8", "surrogateescape").removeprefix("./")
    text = text.rstrip("/") if is_folder else text
    return check_name(text) if text or not is_folder else ""


def _pax_path(archive: str, data: bytes) -> bytes:
    """Return the path that a pax header names; raises BundleError for one that says anything else of weight."""
    path = b""
    while data:
        match = _PAX_RECORD.match(data)
        length = int(match[1]) if match else 0
        if match is None or not match.end() < length <= len(data) or data[length - 1 : length] != b"\n":
            raise BundleError(f"{archive} has a damaged pax header")
        if match[2] == b"path":
            path = data[match.end() : length - 1]
        elif match[2] not in _PAX_SAYS_NOTHING:
            raise BundleError(f"{archive} has a pax header with {match[2][:40].decode('ascii', 'replace')!r} in it")
        data = data[length:]
    return path
