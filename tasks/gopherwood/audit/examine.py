"""Examining a published version: its three files, against what the catalog noted when it was published.

One pass over each file. A zip whose SHA-256 is the one that validate recorded has the h1 that it recorded beside it,
in the same pass over the same bytes: so h1, for which every entry is inflated, is computed only for a `deep` look. A
go.mod is compared by its h1, an `.info` by its SHA-256, or, published before that was noted, by its canonical form and
the facts in it.
"""

import hashlib
import tempfile
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from gopherwood import dirhash, info, modzip
from gopherwood.catalog import LedgerEntry, VersionRow
from gopherwood.errors import ContentError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects
from gopherwood.store import MARK, SUFFIXES, key

PIECE = 1 << 20
"""Bytes hashed at a time."""


class Kind(StrEnum):
    """What can be wrong with a file."""

    CHANGED = "changed"
    TRUNCATED = "truncated"
    MISSING = "missing"
    HALF = "half"
    """Missing, while other files of the same version are there."""
    LIST = "list"
    """A version list that is not what the catalog derives."""
    EXTRA = "extra"
    """A file that nobody published."""
    LEDGER = "ledger"
    """The catalog says other hashes than the ledger, which cannot be changed unseen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One file of a version that is not what was published."""

    mv: ModuleVersion
    suffix: str
    kind: Kind
    expected: str
    found: str = ""

    @property
    def key(self) -> str:
        """The key of the file in the store."""
        return key(self.mv, self.suffix)

    @property
    def is_there(self) -> bool:
        """Whether there are bytes to be moved aside."""
        return self.kind not in (Kind.MISSING, Kind.HALF)


@dataclass(frozen=True, slots=True)
class Checked:
    """What one file is: its bytes read, what is wrong with it, and, of an `.info`, the SHA-256."""

    size: int
    finding: Finding | None
    sha256: str = ""


def examine(objects: Objects, row: VersionRow, *, deep: bool = False) -> dict[str, Checked]:
    """Read every file of a published version; raises StorageError when one is there and cannot be read."""
    return {suffix: check(objects, row, suffix, deep=deep) for suffix in SUFFIXES}


def check(objects: Objects, row: VersionRow, suffix: str, *, deep: bool = False) -> Checked:
    """Compare one file with what the catalog says of it."""
    name, sha256 = key(row.mv, suffix), ""
    try:
        if suffix == ".zip":
            size, problem = _check_zip(objects, name, row, deep=deep)
        else:
            data = objects.read(name)
            size = len(data)
            sha256 = hashlib.sha256(data).hexdigest() if suffix == MARK else ""
            problem = info_problem(data, row) if suffix == MARK else mod_problem(data, row)
    except MissingError:
        others = (objects.size(key(row.mv, other)) for other in SUFFIXES if other != suffix)
        kind = Kind.HALF if any(size is not None for size in others) else Kind.MISSING
        return Checked(0, Finding(row.mv, suffix, kind, expected(row, suffix), "nothing"))
    if not problem:
        return Checked(size, None, sha256)
    due = {".zip": row.facts.get("zip_size"), ".mod": row.facts.get("mod_size")}.get(suffix)
    kind = Kind.TRUNCATED if size < (1 if due is None else due) else Kind.CHANGED
    return Checked(size, Finding(row.mv, suffix, kind, expected(row, suffix), problem), sha256)


def as_logged(row: VersionRow, entry: LedgerEntry | None) -> VersionRow:
    """Return a row that says what the ledger says: where the catalog contradicts it, the catalog was changed.

    Of a zip whose h1 is another than the catalog noted its SHA-256 means nothing, so h1 has to be computed.
    """
    if entry is None or not contradiction(row, entry):
        return row
    facts = dict(row.facts) | {"h1": entry.h1, "go_mod_h1": entry.go_mod_h1}
    if entry.h1 != row.facts.get("h1"):
        facts.pop("zip_sha256", None)
    return replace(row, facts=facts)


def contradiction(row: VersionRow, entry: LedgerEntry | None) -> str:
    """Say what the catalog says that is not what the ledger says; nothing when they agree, or there is no entry."""
    if entry is None:
        return ""
    said = {"h1": entry.h1, "go_mod_h1": entry.go_mod_h1}
    return ", ".join(f"{name} {row.facts.get(name)}" for name, value in said.items() if row.facts.get(name) != value)


def expected(row: VersionRow, suffix: str) -> str:
    """Return in words what a file has to be."""
    facts = row.facts
    if suffix == ".zip":
        return f"{facts.get('zip_size')} bytes, sha256 {facts.get('zip_sha256')}, {facts.get('h1')}"
    if suffix == ".mod":
        return f"{facts.get('mod_size')} bytes, {facts.get('go_mod_h1')}"
    return f"sha256 {facts['info_sha256']}" if facts.get("info_sha256") else "canonical, with the catalog's facts"


def mod_problem(data: bytes, row: VersionRow) -> str:
    """Say what the bytes of a go.mod are, if they are not what was published; else nothing."""
    h1 = dirhash.hash_go_mod(data)
    return f"{len(data)} bytes, {h1}" if h1 != row.facts.get("go_mod_h1") else ""


def info_problem(data: bytes, row: VersionRow) -> str:
    """Say what the bytes of an `.info` are, if they are not what was published; else nothing."""
    sha256 = hashlib.sha256(data).hexdigest()
    if noted := row.facts.get("info_sha256"):
        return f"{len(data)} bytes, sha256 {sha256}" if sha256 != noted else ""
    return "" if _has_facts(data, row) else f"{len(data)} bytes, sha256 {sha256}"


def h1_of(objects: Objects, name: str, mv: ModuleVersion) -> str:
    """Return the h1 of a zip in the store that passes every rule of the format; in words, why it does not."""
    with tempfile.TemporaryDirectory(prefix="gopherwood-audit-") as scratch:
        try:
            return modzip.inspect(mv, objects.fetch_to(name, Path(scratch))).h1
        except ContentError as error:
            return str(error)


def _check_zip(objects: Objects, name: str, row: VersionRow, *, deep: bool) -> tuple[int, str]:
    size, sha256 = _digest(objects, name)
    noted = row.facts.get("zip_sha256")
    if noted and sha256 != noted:
        return size, f"{size} bytes, sha256 {sha256}"
    if (deep or not noted) and (h1 := h1_of(objects, name, row.mv)) != row.facts.get("h1"):
        return size, f"{size} bytes, sha256 {sha256}, {h1}"
    return size, ""


def _digest(objects: Objects, name: str) -> tuple[int, str]:
    """Return the size and the SHA-256 of a file, a bounded piece at a time; raises MissingError."""
    sha256, size = hashlib.sha256(), 0
    with objects.open(name) as file:
        while piece := file.read(PIECE):
            sha256.update(piece)
            size += len(piece)
    return size, sha256.hexdigest()


def _has_facts(data: bytes, row: VersionRow) -> bool:
    """Tell whether bytes are a canonical `.info` with the catalog's facts; times agree to the microsecond."""
    try:
        said = info.parse(data, row.mv)
    except ContentError:
        return False
    facts = (row.facts.get("time"), row.facts.get("origin"))
    return info.canonical(said) == data and (said.time, said.origin) == facts
