"""Zip files built byte by byte, so that they can lie: about sizes, checksums, counts, places and names.

By default an entry is written as Go's zip.Writer does it: deflated, its sizes and checksum behind the content. Every
field of `File` can be made to say something else than the truth.
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

DEFLATED, STORED = 8, 0
DESCRIPTOR = 0x8


@dataclass(frozen=True, kw_only=True)
class File:
    """One entry: what is true (name, content), and what the zip says about it (None: the truth)."""

    name: str | bytes
    content: bytes = b""
    method: int = DEFLATED
    flags: int = DESCRIPTOR
    packed: bytes | None = None
    """The compressed bytes."""
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    descriptor_crc: int | None = None
    offset: int | None = None
    """Where the directory says that the entry begins."""
    extra: bytes = b""
    """The extra field in the directory."""
    hidden: bool = False
    """Leave it out of the directory."""


def build(
    files: Iterable[File | tuple[str, bytes]],
    *,
    count: int | None = None,
    before: bytes = b"",
    base: int = 0,
    comment: bytes = b"",
    zip64: bool = False,
) -> bytes:
    """Return a zip of the files.

    `count` is what the end record says, `before` comes first in the file, `base` is added to every offset.
    """
    entries = [file if isinstance(file, File) else File(name=file[0], content=file[1]) for file in files]
    parts, directory, at, listed = [before], [], len(before), 0
    for entry in entries:
        local, header = _entry(entry, at + base)
        parts.append(local)
        at += len(local)
        if not entry.hidden:
            directory.append(header)
            listed += 1
    packed = b"".join(directory)
    parts.append(packed)
    number = listed if count is None else count
    if zip64:
        end64 = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, number, number, len(packed), at + base)
        parts += [end64, struct.pack("<4sLQL", b"PK\6\7", 0, at + len(packed), 1)]
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, len(comment))
    else:
        short = number & 0xFFFF
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, short, short, len(packed), at + base, len(comment))
    return b"".join([*parts, end, comment])


def deflate(content: bytes, level: int = 6) -> bytes:
    """Return the raw deflate stream of the content."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def _entry(file: File, at: int) -> tuple[bytes, bytes]:
    name = file.name if isinstance(file.name, bytes) else file.name.encode("utf-8", "surrogateescape")
    packed = file.packed
    if packed is None:
        packed = deflate(file.content) if file.method == DEFLATED else file.content
    crc = zlib.crc32(file.content) if file.crc is None else file.crc
    size = len(file.content) if file.size is None else file.size
    packed_size = len(packed) if file.packed_size is None else file.packed_size
    sizes = (crc, packed_size & 0xFFFFFFFF, size & 0xFFFFFFFF)
    local = (
        struct.pack("<4sHHHHHLLLHH", b"PK\3\4", 20, file.flags, file.method, 0, 0, *sizes, len(name), 0) + name + packed
    )
    if file.flags & DESCRIPTOR:
        behind = crc if file.descriptor_crc is None else file.descriptor_crc
        local += struct.pack("<4sLLL", b"PK\7\x08", behind, *sizes[1:])
    offset = at if file.offset is None else file.offset
    lengths = (len(name), len(file.extra), 0, 0, 0, 0)
    fixed = struct.pack("<4s6H3L", b"PK\1\2", 20, 20, file.flags, file.method, 0, 0, *sizes)
    header = fixed + struct.pack("<5H2L", *lengths, offset)
    return local, header + name + file.extra
