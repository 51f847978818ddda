"""Examining a published version: its three files, against what the catalog noted when it was published.

One pass over each file. A zip whose SHA-256 is the one that validate recorded has the h1 that it recorded beside it,
in the same pass over the same bytes: so h1, which has to inflate every entry, is computed only for a `deep` look.
A go.mod is compared by its h1, an `.info` by its SHA-256, or, published before that was noted, by its canonical form
and the facts in it.
"""

import hashlib
import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gopherwood import dirhash, info, modzip
from gopherwood.catalog import VersionRow
from gopherwood.errors import ContentError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects
from gopherwood.store import SUFFIXES, key

PIECE = 1 << 20
"""Bytes hashed at a time."""


class Kind(StrEnum):
    """What can be wrong with a file."""

    CHANGED = "changed"
    TRUNCATED = "truncated"
    MISSING = "missing"
    HALF = "half"
    """Missing, while other files of the same version are there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One file that is not what was published."""

    mv: ModuleVersion
    suffix: str
    kind: Kind
    expected: str
    found: str = ""

    @property
    def key(self) -> str:
        """The key of the file in the store."""
        return key(self.mv, self.suffix)


@dataclass(slots=True)
class Examined:
    """What became of one version."""

    findings: list[Finding] = field(default_factory=list)
    bytes: int = 0
    info_sha256: str = ""
    """Of a sound `.info`, to be noted where the catalog does not have it yet."""


def examine(objects: Objects, row: VersionRow, *, deep: bool = False) -> Examined:
    """Read every file of a published version and say which are damaged. Raises StorageError when one cannot be read."""
    done = Examined()
    missing = []
    for suffix in SUFFIXES:
        try:
            found = check(objects, row, suffix, done, deep=deep)
        except MissingError:
            missing.append(suffix)
        else:
            done.findings += found
    kind = Kind.MISSING if len(missing) == len(SUFFIXES) else Kind.HALF
    done.findings += [Finding(row.mv, suffix, kind, expected(row, suffix)) for suffix in missing]
    return done


def check(objects: Objects, row: VersionRow, suffix: str, done: Examined, *, deep: bool = False) -> list[Finding]:
    """Compare one file with the facts; return what is wrong. Raises MissingError when it is not there."""
    name = key(row.mv, suffix)
    if suffix == ".zip":
        size, problem = _check_zip(objects, name, row, deep=deep)
    else:
        data = objects.read(name)
        size = len(data)
        problem = _check_mod(data, row) if suffix == ".mod" else _check_info(data, row, done)
    done.bytes += size
    if not problem:
        return []
    due = {".zip": row.facts.get("zip_size"), ".mod": row.facts.get("mod_size")}.get(suffix)
    cut = size < due if due is not None else size == 0
    return [Finding(row.mv, suffix, Kind.TRUNCATED if cut else Kind.CHANGED, expected(row, suffix), problem)]


def expected(row: VersionRow, suffix: str) -> str:
    """Return in words what a file has to be."""
    facts = row.facts
    if suffix == ".zip":
        return f"{facts.get('zip_size')} bytes, sha256 {facts.get('zip_sha256')}, {facts.get('h1')}"
    if suffix == ".mod":
        return f"{facts.get('mod_size')} bytes, {facts.get('go_mod_h1')}"
    return f"sha256 {facts['info_sha256']}" if facts.get("info_sha256") else "canonical, with the catalog's facts"


def _check_zip(objects: Objects, name: str, row: VersionRow, *, deep: bool) -> tuple[int, str]:
    size, sha256 = digest(objects, name)
    problem = f"{size} bytes, sha256 {sha256}" if sha256 != row.facts.get("zip_sha256") else ""
    if deep and not problem:
        h1 = h1_of(objects, name, row.mv)
        problem = f"{h1}" if h1 != row.facts.get("h1") else ""
    return size, problem


def _check_mod(data: bytes, row: VersionRow) -> str:
    h1 = dirhash.hash_go_mod(data)
    return f"{len(data)} bytes, {h1}" if h1 != row.facts.get("go_mod_h1") else ""


def _check_info(data: bytes, row: VersionRow, done: Examined) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    if noted := row.facts.get("info_sha256"):
        return f"sha256 {sha256}" if sha256 != noted else ""
    if is_info_of(data, row):
        done.info_sha256 = sha256
        return ""
    return f"sha256 {sha256}, not the canonical form of the catalog's facts"


def is_info_of(data: bytes, row: VersionRow) -> bool:
    """Tell whether bytes are a canonical `.info` with the catalog's facts; times agree to the microsecond."""
    try:
        said = info.parse(data, row.mv)
    except ContentError:
        return False
    facts = (row.facts.get("time"), row.facts.get("origin"))
    return info.canonical(said) == data and (said.time, said.origin) == facts


def digest(objects: Objects, name: str) -> tuple[int, str]:
    """Return the size of a file and its SHA-256, a bounded piece at a time; raises MissingError."""
    sha256, size = hashlib.sha256(), 0
    with objects.open(name) as file:
        while piece := file.read(PIECE):
            sha256.update(piece)
            size += len(piece)
    return size, sha256.hexdigest()


def h1_of(objects: Objects, name: str, mv: ModuleVersion) -> str:
    """Return the h1 of a zip in the store that passes every rule of the format; in words, why it does not."""
    with tempfile.TemporaryDirectory(prefix="gopherwood-audit-") as scratch:
        try:
            return modzip.inspect(mv, objects.fetch_to(name, Path(scratch))).h1
        except ContentError as error:
            return str(error)
