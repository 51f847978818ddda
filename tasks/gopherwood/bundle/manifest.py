"""The manifest: what a bundle holds, one JSON object a line, so that neither side needs all of it in memory.

    {"format": "gopherwood-bundle/1", "by": NAME, "as_of": TIME, "after": N, "through": M, "logs": [NAME, ...]}
    {"module": PATH, "version": V, "sequence": N, "h1": H, "go_mod_h1": H, "files": {".zip": [SIZE, SHA256], ...}}
    {"file": NAME, "size": N, "sha256": HEX}
    {"end": {"versions": N, "files": M}}

Versions come sorted by path and version; files are all else, in the order in which a tar has them. `through` is the
last sequence number of the exporting store when it was made: what `--since` takes next time. `as_of` is when that was
published: a bundle says nothing of the day it was made on, so two of one state are equal, byte for byte.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from gopherwood import module
from gopherwood.bundle.files import check_name
from gopherwood.errors import BundleError, ContentError
from gopherwood.module import ModuleVersion

MANIFEST: Final = "bundle/manifest.jsonl"
SEAL: Final = "bundle/manifest.note"
FORMAT: Final = "gopherwood-bundle/1"
SUFFIXES: Final = (".info", ".mod", ".zip")
_LONGEST_LINE: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Header:
    """The first line."""

    by: str
    """The name of the exporting side: of its signing key, if it has one."""
    as_of: str
    after: int
    through: int
    logs: tuple[str, ...] = ()
    """The transparency logs whose proofs are inside: the checksum database, the exporter's ledger."""

    def line(self) -> dict[str, Any]:
        """Return the line."""
        return {"format": FORMAT} | {name: getattr(self, name) for name in ("by", "as_of", "after", "through", "logs")}


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version, with the size and the SHA-256 of each file. Of a plain tree, hashes may be "" and files unknown."""

    mv: ModuleVersion
    h1: str
    go_mod_h1: str
    files: dict[str, tuple[int, str]]
    sequence: int = 0

    def line(self) -> dict[str, Any]:
        """Return the line."""
        named = {"module": self.mv.path, "version": self.mv.version, "sequence": self.sequence}
        return {**named, "h1": self.h1, "go_mod_h1": self.go_mod_h1, "files": self.files}


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file that is no version's."""

    name: str
    size: int
    sha256: str
    edge: bool = False
    """Of a tile: whether it shows that the tree of an earlier bundle is the beginning of this one's."""

    def line(self) -> dict[str, Any]:
        """Return the line."""
        said: dict[str, Any] = {"file": self.name, "size": self.size, "sha256": self.sha256}
        return said | ({"edge": True} if self.edge else {})


Line = Header | VersionLine | FileLine


def encode(line: Line) -> bytes:
    """Return a line as it is written."""
    return json.dumps(line.line(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def encode_end(versions: int, files: int) -> bytes:
    """Return the last line."""
    return json.dumps({"end": {"versions": versions, "files": files}}, separators=(",", ":")).encode() + b"\n"


def parse(stream: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a manifest: the header first, versions in order, no name twice, and an end that counts them.

    Raises BundleError.
    """
    header = _loads(stream)
    if header is None or header.get("format") != FORMAT:
        said = None if header is None else header.get("format")
        raise BundleError(f"a manifest of format {said!r}, not {FORMAT!r}", hint="was it made by another release?")
    yield _checked(_header, header)
    counts, last = {"versions": 0, "files": 0}, ("", "")
    names: set[str] = set()
    while (said := _loads(stream)) is not None:
        if "end" in said:
            if said["end"] != counts or stream.read(1):
                raise BundleError("the manifest does not end where it says it does")
            return
        line = _checked(_version if "module" in said else _file, said)
        if isinstance(line, VersionLine):
            if (line.mv.path, line.mv.version) <= last:
                raise BundleError(f"the manifest is out of order at {line.mv}")
            last = (line.mv.path, line.mv.version)
        elif isinstance(line, FileLine):
            if line.name in names:
                raise BundleError(f"the manifest names {line.name} twice")
            names.add(line.name)
        counts["versions" if isinstance(line, VersionLine) else "files"] += 1
        yield line
    raise BundleError("the manifest has no end")


def _loads(stream: BinaryIO) -> dict[str, Any] | None:
    text = stream.readline(_LONGEST_LINE)
    if not text:
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the manifest has a line that is no JSON: {error}") from None
    if not isinstance(said, dict) or not text.endswith(b"\n"):
        raise BundleError("the manifest has a line that is no JSON object")
    return said


def _checked(make: Any, said: dict[str, Any]) -> Line:
    """Make a line of what was read, whatever is wrong with it."""
    try:
        line: Line = make(said)
    except (KeyError, TypeError, ValueError, AttributeError, ContentError) as error:
        raise BundleError(f"the manifest has a line that says nothing: {error}: {str(said)[:200]}") from None
    return line


def _header(said: dict[str, Any]) -> Header:
    return Header(
        _text(said["by"]),
        _text(said["as_of"]),
        _count(said["after"]),
        _count(said["through"]),
        tuple(map(_text, said["logs"])),
    )


def _version(said: dict[str, Any]) -> VersionLine:
    mv = ModuleVersion(_text(said["module"]), _text(said["version"]))
    module.check(mv.path, mv.version)
    files = {suffix: (_count(size), _sha256(sha256)) for suffix, (size, sha256) in said["files"].items()}
    if set(files) != set(SUFFIXES):
        raise ValueError(f"it has no {', '.join(SUFFIXES)}")
    return VersionLine(mv, _text(said["h1"]), _text(said["go_mod_h1"]), files, _count(said["sequence"]))


def _file(said: dict[str, Any]) -> FileLine:
    return FileLine(
        check_name(_text(said["file"])), _count(said["size"]), _sha256(said["sha256"]), said.get("edge") is True
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} is no number")
    return value


def _sha256(value: object) -> str:
    text = _text(value)
    if len(text) != 64 or text.strip("0123456789abcdef"):
        raise ValueError(f"{text[:80]!r} is no SHA-256")
    return text
