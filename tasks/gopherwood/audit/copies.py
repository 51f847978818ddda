"""Second copies of a published file: where a damaged one may be healed from, the nearest first.

What a copy gives is only a candidate. `accept` compares it with what the catalog says: h1 of a zip that passes every
rule, h1 of a go.mod, SHA-256 of an `.info`. A zip packed anew, as upstreams do, has the same h1 in other bytes: it is
the published content, and the catalog's facts of the zip follow it, as publish does with one found in the store.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

from gopherwood import info, modzip
from gopherwood.audit.examine import check, info_problem, mod_problem
from gopherwood.catalog import Facts, VersionRow
from gopherwood.config import Settings
from gopherwood.errors import IntegrityError, NotFoundError, StorageError
from gopherwood.info import Info
from gopherwood.objects import Objects, open_objects
from gopherwood.store import MARK, key
from gopherwood.upstream import Upstream

NANOSECONDS = 1000
"""What the catalog does not keep of a time: the digits below a microsecond."""

Copy = Callable[[VersionRow, str, Path], None]
"""Writes its copy of one file of a version into a file; raises GopherwoodError."""


class OtherContentError(IntegrityError):
    """A second copy is not what was published either."""

    reason = "other-content"


class Copies:
    """The second copies that these settings name."""

    def __init__(self, settings: Settings, objects: Objects) -> None:
        self._settings = settings
        self._objects = objects

    def of(self, suffix: str, evidence: str = "") -> Iterator[tuple[str, Copy]]:
        """Yield the copies that may have a kind of file, with their names; `evidence` is where the damaged one is."""
        if suffix == MARK:
            yield "the catalog's facts", self._from_facts
        if suffix == ".mod":
            yield "the version's own zip", self._from_zip
        if self._settings.replica:
            yield "the replica", self._from_replica
        yield "the upstream", self._from_upstream
        if suffix == ".zip" and evidence:  # a bit that flipped in a time stamp leaves every file in it what it was
            yield "the damaged zip, whose content is whole", partial(self._from_evidence, evidence)

    def close(self) -> None:
        """Close the connections to the upstream, if there are any."""
        if "_upstream" in self.__dict__:
            self._upstream.client.close()

    @cached_property
    def _replica(self) -> Objects:
        return open_objects(self._settings.replica, settings=self._settings)

    @cached_property
    def _upstream(self) -> Upstream:
        return Upstream.from_settings(self._settings)

    def _from_facts(self, row: VersionRow, suffix: str, target: Path) -> None:
        noted = row.facts.get("info_sha256")
        time, origin = row.facts.get("time"), row.facts.get("origin")
        for nanoseconds in range(NANOSECONDS if noted and time else 1):
            data = info.canonical(Info(row.mv.version, time, origin, nanoseconds))
            if not noted or hashlib.sha256(data).hexdigest() == noted:
                target.write_bytes(data)
                return
        raise OtherContentError("they do not give the bytes that were published")

    def _from_zip(self, row: VersionRow, suffix: str, target: Path) -> None:
        if check(self._objects, row, ".zip").finding:
            raise NotFoundError("it is damaged too")
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            found = modzip.read_go_mod(self._objects.fetch_to(key(row.mv, ".zip"), Path(scratch)), row.mv)
        target.write_bytes(found if found is not None else f"module {row.mv.path}\n".encode())

    def _from_replica(self, row: VersionRow, suffix: str, target: Path) -> None:
        # Copied, never linked: two names of one file are not two copies.
        with self._replica.open(key(row.mv, suffix)) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)

    def _from_evidence(self, evidence: str, row: VersionRow, suffix: str, target: Path) -> None:
        with self._objects.open(evidence) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)

    def _from_upstream(self, row: VersionRow, suffix: str, target: Path) -> None:
        if suffix == ".zip":
            self._upstream.zip_to(row.mv, target)
        elif suffix == ".mod":
            target.write_bytes(self._upstream.mod(row.mv))
        else:
            target.write_bytes(info.canonical(info.parse(self._upstream.info(row.mv), row.mv)))


def accept(row: VersionRow, suffix: str, path: Path) -> Facts:
    """Return the facts that change with a candidate, none for equal bytes.

    Raises OtherContentError, or the ContentError that says which rule it breaks, when it is not what was published.
    """
    if suffix == ".zip":
        found = modzip.inspect(row.mv, path)
        if not row.facts.get("h1") or found.h1 != row.facts["h1"]:
            raise OtherContentError(f"its zip is {found.h1}, published was {row.facts.get('h1')}")
        if found.sha256 == row.facts.get("zip_sha256"):
            return {}
        return {"zip_size": path.stat().st_size, "zip_sha256": found.sha256}
    data = path.read_bytes()
    if problem := (info_problem if suffix == MARK else mod_problem)(data, row):
        raise OtherContentError(f"its {suffix} is {problem}")
    return {}


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder for candidates; a full disk is a StorageError."""
    try:
        with tempfile.TemporaryDirectory(prefix="gopherwood-audit-") as folder:
            yield Path(folder)
    except OSError as error:
        raise StorageError(f"{error.filename}: {error.strerror}") from error
