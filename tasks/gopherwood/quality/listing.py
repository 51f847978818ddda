"""What files the store has, beside what the catalog says it has: a whole listing in bounded memory.

A store yields its keys in no promised order, a snapshot comes sorted by module path; a temporary SQLite file brings the
two together. The listing is taken after the snapshot began: files come before their row and are never taken away, so
every row of the snapshot must find its files. The other way round a file may be younger than the snapshot; one is only
called an orphan when the catalog of now knows nothing of it and it has been there for an hour.
"""

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from gopherwood.catalog import Catalog
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects
from gopherwood.states import OPEN
from gopherwood.store import BESIDE, SUFFIXES, key, name_of

YOUNG_SECONDS = 3600.0
BATCH = 10_000
MOST_ORPHANS = 1000
"""Orphans that are named; where there are more, these say enough."""

PREPARE = (
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "CREATE TABLE names (path TEXT, version TEXT, files INTEGER, PRIMARY KEY (path, version)) WITHOUT ROWID",
)

Name = tuple[str, str]


class Listing:
    """The files of a store by module version."""

    def __init__(self, database: sqlite3.Connection, objects: Objects, strange: list[str]) -> None:
        self._database = database
        self._objects = objects
        self._strange = strange

    def files(self, after: str, through: str | None) -> dict[Name, int]:
        """Return what there is of the versions of some modules: a bit for each of store.SUFFIXES."""
        last = "" if through is None else " AND path <= ?"
        query = f"SELECT path, version, files FROM names WHERE path > ?{last}"  # noqa: S608  no value is in it
        rows = self._database.execute(query, (after,) if through is None else (after, through))
        return {(path, version): files for path, version, files in rows}

    def orphans(self, catalog: Catalog, candidates: Iterator[Name]) -> Iterator[str]:
        """Yield the keys that belong to nothing: of these versions, that no snapshot has, and of no version at all."""
        yield from self._strange
        for path, version in candidates:
            row = catalog.state_of(ModuleVersion(path, version))
            if row is None or (row.state not in OPEN and row.published_at is None):
                keys = [key(ModuleVersion(path, version), suffix) for suffix in SUFFIXES]
                yield from (each for each in keys if _is_old(self._objects, each))


@contextmanager
def listed(objects: Objects) -> Iterator[Listing]:
    """List a store."""
    with (
        tempfile.TemporaryDirectory(prefix="gopherwood-quality-") as folder,
        closing(sqlite3.connect(Path(folder) / "names.db", isolation_level=None)) as database,
    ):
        for statement in PREPARE:
            database.execute(statement)
        yield Listing(database, objects, _fill(database, objects))


def missing(files: int) -> str:
    """Say which files of a version are not there, "" when all are."""
    return " ".join(suffix for bit, suffix in enumerate(SUFFIXES) if not files & (1 << bit))


def _fill(database: sqlite3.Connection, objects: Objects) -> list[str]:
    """Write the listing down; return the keys that are no file of any version or list."""
    strange: list[str] = []
    merge = "INSERT INTO names VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET files = files | excluded.files"
    keys = (key for key in objects.keys("") if not key.startswith(BESIDE))
    while batch := list(islice(keys, BATCH)):
        rows = []
        for name in batch:
            found = name_of(name)
            if found is None:
                strange += [name] if len(strange) < MOST_ORPHANS and _is_old(objects, name) else []
            elif found[1]:
                bit = next(bit for bit, suffix in enumerate(SUFFIXES) if name.endswith(suffix))
                rows.append((*found, 1 << bit))
        database.execute("BEGIN")
        database.executemany(merge, rows)
        database.execute("COMMIT")
    return strange


def _is_old(objects: Objects, name: str) -> bool:
    try:
        return time.time() - objects.modified(name) >= YOUNG_SECONDS
    except MissingError:
        return False
