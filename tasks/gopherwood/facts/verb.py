"""The work of `index`: batch after batch, each version in a process that may be killed.

A batch is read by as many processes as there are cores. Then its files are written, what stands for each of its modules
is decided, and last its rows are kept: they are what says that a version has been read, so a batch that dies half-way
is read again.
"""

import logging
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from gopherwood import errors
from gopherwood.catalog import Catalog, FactsRow, PackageRow
from gopherwood.config import Settings
from gopherwood.ends import as_they_end
from gopherwood.errors import StorageError
from gopherwood.facts import files, stand
from gopherwood.facts.readers import Readers
from gopherwood.facts.values import TOOL, ModuleFacts
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects, open_objects
from gopherwood.store import key, open_store

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Result:
    """What was read."""

    read: int = 0
    failed: int = 0
    """Of those read: nothing could be learned of them."""
    findings: int = 0
    modules: int = 0
    """Modules of which a version was read."""
    missing: int = 0
    """Files of them are not in the store now (damaged, perhaps): they are tried again next time."""
    broken: list[str] = field(default_factory=list)
    """The first that could not be read, and why."""

    @property
    def exit_code(self) -> int:
        """1 when something was missing, 99 when there was nothing to read."""
        if self.missing:
            return errors.EXIT_FAILED
        return errors.EXIT_DONE if self.read else errors.EXIT_NOTHING_TO_DO


@dataclass(frozen=True, slots=True)
class _Read:
    """A version that was read: its row, and, unless that has an error, its facts and their file."""

    row: FactsRow
    facts: ModuleFacts | None = None
    packed: bytes = b""


def run(
    settings: Settings,
    wanted: Sequence[ModuleVersion] = (),
    *,
    limit: int | None = None,
    stop: threading.Event | None = None,
    readers: Readers | None = None,
) -> Result:
    """Read the versions that are named, else all that were not read, at most `limit`.

    Raises UsageError for one that is not published, and StorageError.
    """
    stop = stop or threading.Event()
    with ExitStack() as stack:
        catalog = stack.enter_context(Catalog.ready(settings))
        facts = open_objects(settings.facts_url, mutable=True, settings=settings)
        indexer = _Indexer(catalog, open_store(settings), facts, stack.enter_context(readers or Readers()), stop)
        stack.enter_context(indexer.pool)
        for batch in _batches(settings, catalog, wanted, limit):
            if stop.is_set():
                break
            indexer.batch(batch)
    return indexer.result


def _batches(
    settings: Settings, catalog: Catalog, wanted: Sequence[ModuleVersion], limit: int | None
) -> Iterator[list[ModuleVersion]]:
    left = limit if limit is not None else 1 << 60
    if wanted:
        known = catalog.rows_of(list(wanted))
        published = [mv for mv in wanted if mv in known and known[mv].sequence]
        if absent := [str(mv) for mv in wanted if mv not in published]:
            raise errors.UsageError(f"not published here: {', '.join(absent[:5])}", hint="gopherwood status names all")
        yield published[:left]
        return
    after = 0
    while left > 0 and (rows := catalog.unread(TOOL, limit=min(settings.batch, left), after=after)):
        yield [mv for _, mv in rows]
        after, left = rows[-1][0], left - len(rows)


class _Indexer:
    """Reads batches."""

    def __init__(
        self, catalog: Catalog, store: Objects, kept: Objects, readers: Readers, stop: threading.Event
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._kept = kept
        self._readers = readers
        self._stop = stop
        self.pool = ThreadPoolExecutor(os.cpu_count() or 1)
        self.result = Result()

    def batch(self, mvs: Sequence[ModuleVersion]) -> None:
        """Read some versions, and keep what was read."""
        with tempfile.TemporaryDirectory(prefix="gopherwood-index-") as scratch:
            futures = [self.pool.submit(self._read, mv, Path(scratch)) for mv in mvs]
            done = [read for future in as_they_end(futures) if (read := future.result()) is not None]
        self._kept.replace_many([(files.key(each.row.mv), each.packed) for each in done if each.packed])
        for path in sorted({each.row.mv.path for each in done}):
            self._stand(path, [each for each in done if each.row.mv.path == path])
        self._catalog.keep_facts([each.row for each in done])
        for each in done:
            self._count(each)

    def _read(self, mv: ModuleVersion, scratch: Path) -> _Read | None:
        """Read a version in a process of its own; None when it is not to be had now."""
        if self._stop.is_set():
            return None
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            folder = Path(name)
            try:
                zip_path, mod_path = (self._store.fetch_to(key(mv, suffix), folder) for suffix in (".zip", ".mod"))
                error = self._readers.read(mv, zip_path, mod_path, folder / "facts.zip", self._stop)
            except MissingError:
                self.result.missing += 1
                return None
            except InterruptedError:
                return None
            if error:
                return _Read(FactsRow(mv=mv, tool=TOOL, size=0, error=error))
            packed = (folder / "facts.zip").read_bytes()
        facts = files.unpack(BytesIO(packed))
        return _Read(_row(facts, len(packed)), facts, packed)

    def _stand(self, path: str, done: Sequence[_Read]) -> None:
        """Decide which version stands for a module, now that some more were read."""
        by_version = {each.row.mv.version: each for each in done}
        module = stand.choose(path, sorted(self._catalog.facts_of(path).keys() | by_version.keys()), self._store)
        known = self._catalog.modules([path]).get(path)
        if module.latest in by_version:
            facts = by_version[module.latest].facts
            made: list[PackageRow] | None = stand.packages(facts) if facts else []
        elif known is not None and known.latest == module.latest:
            made = None
        else:
            made = self._packages_of(ModuleVersion(path, module.latest))
        self._catalog.stand(module, made)
        self.result.modules += 1

    def _packages_of(self, mv: ModuleVersion) -> list[PackageRow]:
        """Return the packages of a version that was read before; none when nothing could be learned of it."""
        try:
            return stand.packages(files.facts(self._kept, mv))
        except StorageError as error:
            log.warning("no facts", extra={"mv": str(mv), "detail": str(error)})
            return []

    def _count(self, each: _Read) -> None:
        result = self.result
        result.read += 1
        result.findings += each.row.findings
        if each.row.error:
            result.failed += 1
            log.warning("not read", extra={"mv": str(each.row.mv), "detail": each.row.error})
            if len(result.broken) < 20:
                result.broken.append(f"{each.row.mv}: {each.row.error}")


def _row(facts: ModuleFacts, size: int) -> FactsRow:
    return FactsRow(
        mv=facts.mv,
        tool=facts.tool,
        size=size,
        findings=len(facts.findings),
        packages=len(facts.packages),
        go=facts.go,
        licences=facts.licence_ids,
        synopsis=facts.synopsis,
    )
