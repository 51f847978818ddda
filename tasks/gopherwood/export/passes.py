"""The two passes of an export: the manifest, then the files in its order."""

import hashlib
import io
import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from gopherwood import store
from gopherwood.bundle import manifest, seal, sinks
from gopherwood.bundle.manifest import FileLine, Header, VersionLine
from gopherwood.catalog import Catalog, VersionRow
from gopherwood.errors import IntegrityError, StoppedError
from gopherwood.export.proofs import Proofs
from gopherwood.module import ModuleVersion
from gopherwood.note import Signer
from gopherwood.objects import MissingError, Objects

log = logging.getLogger(__name__)

PAGE = 500
"""Versions read from the catalog, and proved, together."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which versions go into a bundle."""

    after: int
    through: int
    as_of: datetime | None
    """When the last of them all was published."""
    only: Collection[ModuleVersion] | None = None
    """These alone, whatever else was published; None for all."""


class Exporter:
    """One export."""

    def __init__(
        self,
        catalog: Catalog,
        objects: Objects,
        proofs: Sequence[Proofs],
        scope: Scope,
        signer: Signer | None,
        stop: threading.Event,
    ) -> None:
        self.scope = scope
        self.versions = 0
        self.unproven = 0
        self.bytes = 0
        self._catalog = catalog
        self._objects = objects
        self._proofs = proofs
        self._signer = signer
        self._stop = stop

    # --- the first pass

    def plan(self, path: Path) -> Path:
        """Write the manifest; return its path. Raises IntegrityError for a version whose files are not there."""
        as_of = self.scope.as_of.isoformat() if self.scope.as_of else ""
        logs = tuple(proofs.name for proofs in self._proofs)
        files = 0
        with path.open("wb") as file:
            by = self._signer.name if self._signer else ""
            file.write(manifest.encode(Header(by, as_of, self.scope.after, self.scope.through, logs)))
            for line in self._lines():
                self.versions += isinstance(line, VersionLine)
                files += isinstance(line, FileLine)
                file.write(manifest.encode(line))
            file.write(manifest.encode_end(self.versions, files))
        return path

    def _lines(self) -> Iterator[VersionLine | FileLine]:
        """Yield the line of each version, then of its list, then of what proves them."""
        listed: list[str] = []
        last = ""
        for page in self._pages():
            records = [dict(proofs.prove([row.mv for row in page])) for proofs in self._proofs]
            for row in page:
                if row.mv.path != last and listed:
                    yield _line(store.list_key(last), store.version_list(listed))
                    listed = []
                last = row.mv.path
                listed.append(row.mv.version)
                yield self._version(row)
                names = [store.lookup_key(proofs.name, row.mv) for proofs in self._proofs]
                found = [_line(name, of[name]) for name, of in zip(names, records, strict=True) if name in of]
                self.unproven += not found
                yield from found
        if listed:
            yield _line(store.list_key(last), store.version_list(listed))
            for proofs in self._proofs:
                for name, content, edge in proofs.rest():
                    yield _line(name, content, edge=edge)

    def _pages(self) -> Iterator[list[VersionRow]]:
        start: ModuleVersion | None = None
        while page := self._catalog.published_between(self.scope.after, self.scope.through, start=start, limit=PAGE):
            start = page[-1].mv
            self._check_stop()
            if chosen := [row for row in page if self.scope.only is None or row.mv in self.scope.only]:
                yield chosen

    def _version(self, row: VersionRow) -> VersionLine:
        facts = row.facts
        files = {suffix: self._small(row.mv, suffix) for suffix in (".info", ".mod")}
        files[".zip"] = (facts["zip_size"], facts["zip_sha256"])
        return VersionLine(row.mv, facts["h1"], facts["go_mod_h1"], files, row.sequence or 0)

    def _small(self, mv: ModuleVersion, suffix: str) -> tuple[int, str]:
        with self._open(store.key(mv, suffix)) as file:
            data = file.read()
        return len(data), hashlib.sha256(data).hexdigest()

    # --- the second pass

    def write(self, planned: Path, to: Path, *, is_tar: bool) -> None:
        """Write the files of a manifest, and itself. Raises StorageError, IntegrityError, StoppedError."""
        into = sinks.into_tar if is_tar else sinks.into_folder
        with into(to, planned, self._seal(planned)) as sink, planned.open("rb") as lines:
            group: list[ModuleVersion] = []
            for line in manifest.parse(lines):
                self._check_stop()
                if isinstance(line, VersionLine):
                    if group and group[-1].path != line.mv.path:
                        group.clear()
                    group.append(line.mv)
                    for suffix, (size, sha256) in sorted(line.files.items()):
                        self._add(sink, FileLine(store.key(line.mv, suffix), size, sha256), None)
                elif isinstance(line, FileLine):
                    self._add(sink, line, self._content(line.name, group))

    def _content(self, name: str, group: Sequence[ModuleVersion]) -> bytes:
        """Return what a file holds that is no version's, after these versions of one module."""
        if proofs := next((each for each in self._proofs if each.has(name)), None):
            return proofs.content(name, group[-1])
        return store.version_list([mv.version for mv in group])

    def _seal(self, planned: Path) -> bytes | None:
        if self._signer is None:
            return None
        with planned.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return seal.seal(sha256, planned.stat().st_size, self._signer)

    def _add(self, sink: sinks.Sink, line: FileLine, content: bytes | None) -> None:
        with self._open(line.name) if content is None else io.BytesIO(content) as file:
            sink.add(line.name, line.size, line.sha256, file)
        self.bytes += line.size

    def _open(self, name: str) -> BinaryIO:
        try:
            return self._objects.open(name)
        except MissingError as error:
            said = f"{name} is published, and the store has it not: the export is given up"
            raise IntegrityError(said, hint="the store is damaged; find out before anything is handed on") from error

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError("told to stop: the export is not whole", hint="run it again: a folder goes on")


def _line(name: str, data: bytes, *, edge: bool = False) -> FileLine:
    return FileLine(name, len(data), hashlib.sha256(data).hexdigest(), edge)
