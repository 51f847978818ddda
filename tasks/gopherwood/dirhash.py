"""Directory hashes, the "h1:" of go.sum and of the checksum database.

The hash of a list of files is as if by the command

    sha256sum $(find . -type f | sort) | sha256sum

written as "h1:" and the base64 of the sum. A zip's modes, times and ways of compression do not count.
Authority: golang.org/x/mod/sumdb/dirhash, whose names these are in snake case.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from gopherwood import zipdir
from gopherwood.errors import InvalidZipError, TooLargeError

_CHUNK = 1 << 20


def hash1(files: Sequence[str], open: Callable[[str], BinaryIO]) -> str:  # noqa: A002 - the name in x/mod
    """Return the h1 hash of the named files, each read through `open`.

    Raises InvalidZipError for a name with a newline in it.
    """
    sums = []
    for name in sorted(files, key=_raw):
        _check_name(name)
        digest = hashlib.sha256()
        with open(name) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        sums.append((_raw(name), digest.hexdigest()))
    return _summary(sums)


def hash_zip(path: Path) -> str:
    """Return the h1 hash of a module zip.

    Raises InvalidZipError or TooLargeError, in bounded time and memory, if the zip is damaged, names a file twice, has
    entries that overlap, or lies about a size (docs/content-rules.md).
    """
    return hash_archive(zipdir.open_archive(path))[0]


def hash_archive(archive: zipdir.Archive, keep: str | None = None) -> tuple[str, bytes | None]:
    """Return the h1 hash of an open zip and, from the same pass, the content of the entry named `keep`, if any."""
    total = sum(entry.size for entry in archive.entries)
    if total > zipdir.MAX_ZIP_FILE:
        raise TooLargeError(
            f"total uncompressed size of module contents too large (max size is {zipdir.MAX_ZIP_FILE} bytes)"
        )
    _check_names(archive.entries)
    sums, kept = [], None
    for entry, body in archive.locate():
        if entry.name == keep:
            kept = b"".join(archive.chunks(entry, body))
            digest = hashlib.sha256(kept)
        elif entry.size <= zipdir.WHOLE and entry.compressed <= zipdir.WHOLE:
            digest = hashlib.sha256(archive.read(entry, body))
        else:
            digest = hashlib.sha256()
            for chunk in archive.chunks(entry, body):
                digest.update(chunk)
        sums.append((entry.raw_name, digest.hexdigest()))
    sums.sort()
    return _summary(sums), kept


def hash_go_mod(data: bytes) -> str:
    """Return the h1 hash of a go.mod file, as in the "/go.mod" lines of go.sum."""
    return _summary([(b"go.mod", hashlib.sha256(data).hexdigest())])


def _check_names(entries: Sequence[zipdir.Entry]) -> None:
    # Go would hash the last of two files of one name twice; which of them a client unpacks is anybody's guess.
    seen: set[bytes] = set()
    for entry in entries:
        _check_name(entry.name)
        if entry.raw_name in seen and not entry.raw_name.endswith(b"/"):
            raise InvalidZipError(f"multiple entries for file {entry.name!r}")
        seen.add(entry.raw_name)


def _check_name(name: str) -> None:
    if "\n" in name:
        raise InvalidZipError("dirhash: filenames with newlines are not supported")


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _summary(sums: Sequence[tuple[bytes, str]]) -> str:
    lines = b"".join(b"%s  %s\n" % (digest.encode(), name) for name, digest in sums)
    return "h1:" + base64.b64encode(hashlib.sha256(lines).digest()).decode()
