"""Zip files as Go reads them, with bounds: the directory of entries, where their bytes are, and the bytes.

Python's zipfile and Go's archive/zip disagree about the same bytes (names that are not UTF-8 or hold a NUL, entries
without a CRC, a wrong count of entries, bytes before the archive), and what counts here is what `go` will see. So this
file reads the directory by Go's rules, and inflates from a memory map: with libdeflate (whole entries) and ISA-L (large
ones), which are fast, or, `strict`, with zlib-ng, because the others forgive some broken streams (incomplete Huffman
codes) that Go and zlib refuse; zlib-ng has zlib's own checks, and is half as fast again. Three bounds are ours, for
hostile zips (docs/content-rules.md has the reasons and the measured figures): `MAX_ENTRIES`, `MAX_DIRECTORY`, and
entries must not overlap. Nothing inflates to more than one byte above its declared size.
Authority: archive/zip/reader.go of the Go standard library; used by modzip and dirhash alone.
"""

import mmap
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, cast

import deflate
from isal import isal_zlib
from zlib_ng import zlib_ng

from gopherwood.errors import InvalidZipError, TooLargeError

MAX_ZIP_FILE = 500 << 20
"""Bytes of a zip file, and of its contents in total."""
MAX_ENTRIES = 65_535
"""Entries in one zip: what the 16-bit count of the format can say."""
MAX_DIRECTORY = 32 << 20
"""Bytes of a zip's directory of entries."""
WHOLE = 256 << 10
"""Bytes of the largest entry that is inflated in one piece."""

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4s20xQQQQ")
_HEADER = struct.Struct("<4s4x2H4xLLLHHH8xL")
_LOCAL = struct.Struct("<4s22xHH")
_DESCRIPTOR = struct.Struct("<LL")
_DESCRIPTOR_SIGNATURE = 0x08074B50
_STORED, _DEFLATED = 0, 8
_HAS_DESCRIPTOR = 0x8
_ZIP64_EXTRA = 1
_U16, _U32 = 0xFFFF, 0xFFFFFFFF
_CHUNK = 256 << 10
_INPUT = 64 << 10
_RAW = -15  # a raw deflate stream, with the largest window

View: TypeAlias = memoryview


class _Stream(Protocol):
    """An inflater at work: what zlib.decompressobj returns."""

    @property
    def eof(self) -> bool: ...

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: View | bytes, max_length: int, /) -> bytes: ...


class _Inflater(NamedTuple):
    new: Callable[[], _Stream]
    error: type[Exception]


_ZLIB = _Inflater(lambda: zlib_ng.decompressobj(_RAW), cast(type[Exception], zlib_ng.error))
_ISAL = _Inflater(lambda: isal_zlib.decompressobj(_RAW), cast(type[Exception], isal_zlib.error))


class Entry(NamedTuple):
    """One entry of the directory: a file, or, if its name ends in a slash, a folder."""

    name: str
    """As Go sees it; bytes that are not UTF-8 stand as lone surrogates."""
    raw_name: bytes
    method: int
    flags: int
    crc: int
    compressed: int
    size: int
    """Declared bytes of content."""
    offset: int
    """Where its local header begins in the file."""


class Archive:
    """The directory of a zip file that lies in memory or in a memory map."""

    def __init__(self, view: View, *, strict: bool = False) -> None:
        """Read the directory; raises InvalidZipError if Go could not, or if one of our bounds is broken."""
        self.view = view
        self._strict = strict
        self._inflater = _ZLIB if strict else _ISAL
        self.directory, entries, base = _find_directory(view)
        self.entries = _read_directory(view, self.directory, entries, base)

    def locate(self) -> list[tuple[Entry, int]]:
        """Return the entries with where their content begins; raises InvalidZipError if any two share a byte."""
        located = [(entry, self._body(entry)) for entry in self.entries]
        end, last = 0, ""
        for offset, body, size, name in sorted((e.offset, body, e.compressed, e.name) for e, body in located):
            if offset < end:
                raise InvalidZipError(f"zip entries overlap: {last!r} and {name!r}")
            end, last = body + size, name
        if end > self.directory:
            raise InvalidZipError(f"zip entry {last!r} reaches into the directory")
        return located

    def _body(self, entry: Entry) -> int:
        if not 0 <= entry.offset <= len(self.view) - _LOCAL.size:
            raise InvalidZipError(f"zip entry {entry.name!r}: header lies outside of the file")
        signature, name, extra = _LOCAL.unpack_from(self.view, entry.offset)
        if signature != b"PK\3\4":
            raise InvalidZipError(f"zip entry {entry.name!r}: no header where the directory says")
        return entry.offset + _LOCAL.size + int(name) + int(extra)

    def read(self, entry: Entry, body: int) -> bytes | bytearray:
        """Return an entry's content, checked as Go checks it; meant for entries of at most `WHOLE` bytes."""
        if entry.method != _DEFLATED or entry.name.endswith("/"):
            return b"".join(self.chunks(entry, body))
        packed = self.view[body : body + entry.compressed]
        if not self._strict:
            try:
                whole = deflate.deflate_decompress(packed, entry.size)
            except deflate.DeflateError:  # it does not say why: let the other one find out
                return b"".join(self.chunks(entry, body))
            self._check(entry, body, len(whole), isal_zlib.crc32(whole), ended=True)
            return whole
        inflater = _ZLIB.new()
        try:
            content = inflater.decompress(packed, entry.size + 1)
        except _ZLIB.error as error:
            raise _broken(entry, str(error)) from None
        self._check(entry, body, len(content), isal_zlib.crc32(content), ended=inflater.eof)
        return content

    def chunks(self, entry: Entry, body: int) -> Iterator[bytes | View]:
        """Yield an entry's content in pieces of bounded size; raises InvalidZipError, at the latest after the last."""
        if entry.name.endswith("/"):
            if entry.size:
                raise _broken(entry, "a folder with content")
            return
        packed = self.view[body : body + entry.compressed]
        pieces: Iterator[bytes | View]
        if entry.method == _STORED:
            pieces = _slices(packed)
        elif entry.method == _DEFLATED:
            pieces = self._inflate(entry, packed)
        else:
            raise _broken(entry, f"unsupported compression method {entry.method}")
        size = crc = 0
        for piece in pieces:
            size += len(piece)
            if size > entry.size:
                break
            crc = isal_zlib.crc32(piece, crc)
            yield piece
        self._check(entry, body, size, crc, ended=True)

    def _inflate(self, entry: Entry, packed: View) -> Iterator[bytes]:
        inflater = self._inflater.new()
        try:
            for data in _slices(packed):
                pending: View | bytes = data
                while pending and not inflater.eof:
                    if piece := inflater.decompress(pending, _CHUNK):
                        yield piece
                    pending = inflater.unconsumed_tail
            # At the end of its input an inflater may hold output back for which there was no room.
            while not inflater.eof and (piece := inflater.decompress(b"", _CHUNK)):
                yield piece
        except self._inflater.error as error:
            raise _broken(entry, str(error)) from None
        if not inflater.eof:
            raise _broken(entry, "compressed content ends too early")

    def _check(self, entry: Entry, body: int, size: int, crc: int, *, ended: bool) -> None:
        declared = entry.crc
        descriptor = self._descriptor_crc(body + entry.compressed) if entry.flags & _HAS_DESCRIPTOR else None
        if size == entry.size and ended and crc == declared and descriptor in (declared, None):
            return
        if size > entry.size:
            raise _broken(entry, f"content is larger than its declared size of {entry.size} bytes")
        if not ended or size < entry.size:
            raise _broken(entry, f"content ends after {size} of {entry.size} declared bytes")
        if descriptor not in (declared, None):
            raise _broken(entry, "the checksum behind it is not the one in the directory")
        # Go takes a missing checksum (0) for none, unless it is written behind the content as well.
        if declared or descriptor is not None:
            raise _broken(entry, f"checksum is {crc:08x}, declared {declared:08x}")

    def _descriptor_crc(self, offset: int) -> int:
        first, second = _DESCRIPTOR.unpack_from(self.view, offset)  # an optional signature, the checksum
        return int(second if first == _DESCRIPTOR_SIGNATURE else first)


def open_archive(path: Path, *, strict: bool = False) -> Archive:
    """Map a zip file into memory and read its directory; raises TooLargeError or InvalidZipError.

    `strict` inflates as zlib does. The map is freed with the Archive. The file must not shrink meanwhile.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        if size > MAX_ZIP_FILE:
            raise TooLargeError(too_large(size))
        # Reading a small file is quicker than mapping it.
        data = os.read(file, size) if size <= _CHUNK else mmap.mmap(file, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(file)
    return Archive(memoryview(data), strict=strict)


def too_large(size: int) -> str:
    """Say that a zip file is too large, in Go's words."""
    return f"module zip file is too large ({size} bytes; limit is {MAX_ZIP_FILE} bytes)"


def _broken(entry: Entry, why: str) -> InvalidZipError:
    return InvalidZipError(f"zip entry {entry.name!r}: {why}")


def _not_a_zip() -> InvalidZipError:
    return InvalidZipError("not a valid zip file")


# --- the content ------------------------------------------------------------------------------------------------------


def _slices(packed: View) -> Iterator[View]:
    for start in range(0, len(packed), _INPUT):
        yield packed[start : start + _INPUT]


# --- the directory ----------------------------------------------------------------------------------------------------


def _find_directory(view: View) -> tuple[int, int, int]:
    """Return where the directory begins, how many entries it declares, and how many bytes lie before the archive."""
    end = _find_end(view)
    _, _, _, _, count, size, offset, _ = _END.unpack_from(view, end)
    full = count == _U16 or offset == _U32
    end64 = _find_end64(view, end) if full or size in (_U16, _U32) else None
    if end64 is not None:
        if not full:
            raise _not_a_zip()  # a size of 0xffff (up to Go 1.26) or 0xffffffff (since then) calls for that record
        end = end64
        _, _, count, size, offset = _read_end64(view, end)
    base = end - size - offset
    start = base + offset
    if not 0 <= start < len(view) or max(size, offset) >= 1 << 63:
        raise _not_a_zip()
    if base > 0 and _header_at(view, offset):
        # Some writers get the offset of the whole archive wrong; Go forgives them, and so must we.
        base, start = 0, offset
    return start, count, base


def _find_end(view: View) -> int:
    for tail in (1024, 65 * 1024):
        tail = min(tail, len(view))
        block = bytes(view[len(view) - tail :])
        at = block.rfind(b"PK\5\6", 0, max(tail - _END.size + 4, 0))
        if at >= 0 and at + _END.size + int.from_bytes(block[at + 20 : at + 22], "little") <= tail:
            return len(view) - tail + at
    raise _not_a_zip()


def _find_end64(view: View, end: int) -> int | None:
    locator = end - _END64_LOCATOR.size
    if locator < 0:
        return None
    signature, disk, offset, disks = _END64_LOCATOR.unpack_from(view, locator)
    return int(offset) if (signature, disk, disks) == (b"PK\6\7", 0, 1) and offset < 1 << 63 else None


def _read_end64(view: View, offset: int) -> tuple[int, ...]:
    if offset > len(view) - _END64.size or bytes(view[offset : offset + 4]) != b"PK\6\6":
        raise _not_a_zip()
    return _END64.unpack_from(view, offset)


def _header_at(view: View, offset: int) -> bool:
    try:
        return next(_headers(view, offset, 0), None) is not None
    except InvalidZipError:
        return False


def _read_directory(view: View, start: int, count: int, base: int) -> list[Entry]:
    entries = []
    for entry in _headers(view, start, base):
        entries.append(entry)
        if len(entries) > MAX_ENTRIES:
            raise InvalidZipError(f"zip has more than {MAX_ENTRIES} entries")
    if len(entries) & _U16 != count & _U16:
        raise InvalidZipError(f"not a valid zip file: it declares {count} entries and has {len(entries)}")
    return entries


def _headers(view: View, start: int, base: int) -> Iterator[Entry]:
    """Yield directory entries up to the first thing that is none, which is where Go stops."""
    at, size = start, len(view)
    while at + _HEADER.size <= size:
        signature, flags, method, crc, packed, length, name, extra, comment, offset = _HEADER.unpack_from(view, at)
        names = at + _HEADER.size
        at = names + name + extra + comment
        if signature != b"PK\1\2":
            return
        if at > size:
            at = names
            break
        if at - start > MAX_DIRECTORY:
            raise InvalidZipError(f"zip directory is too large (max size is {MAX_DIRECTORY} bytes)")
        if _U32 in (packed, length, offset):
            extra_field = bytes(view[names + name : names + name + extra])
            length, packed, offset = _zip64_sizes(extra_field, length, packed, offset)
        raw = bytes(view[names : names + name])
        text = raw.decode("utf-8", "surrogateescape")
        yield Entry(text, raw, method, flags, crc, packed, length, offset + base)
    # To Go, a header cut short is the end of the directory, but one that is missing at the end of the file is an error.
    if at == size:
        raise InvalidZipError("not a valid zip file: unexpected end of file")


def _zip64_sizes(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Return the three, those that did not fit into 32 bits taken from the extra field.

    Raises InvalidZipError where versions of Go differ: of two fields they take the first up to 1.26, the last since
    then, and without one 1.26 takes the entry for the end of the directory.
    """
    values = [size, packed, offset]
    missing = [i for i, value in enumerate(values) if value == _U32]
    found = 0
    while len(extra) >= 4:
        tag, length = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if len(field) < length:
            break
        if tag != _ZIP64_EXTRA:
            continue
        found += 1
        if found > 1 or len(field) < 8 * len(missing):
            raise InvalidZipError("zip entry with broken 64-bit sizes")
        for at, i in enumerate(missing):
            values[i] = int.from_bytes(field[8 * at : 8 * at + 8], "little")
    # Without the field, a size of exactly 2^32-1 is possible; an offset or a packed size is not.
    if not found and missing != [0]:
        raise InvalidZipError("zip entry without its 64-bit sizes")
    return values[0], values[1], values[2]
