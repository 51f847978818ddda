"""The checksum database as it is mirrored in the store: a log that an export proves records with."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from gopherwood import store, toolchain
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import NotFoundError
from gopherwood.module import ModuleVersion
from gopherwood.note import Verifier
from gopherwood.objects import MissingError, Objects
from gopherwood.sumdb import parse_databases
from gopherwood.sumdb.tiles import Tiles
from gopherwood.tlog import Tile


class Mirror:
    """What was verified of one database."""

    def __init__(self, verifier: Verifier, head: bytes, objects: Objects, pool: Executor) -> None:
        self.verifier = verifier
        self.head = head
        self.said: Mapping[str, bytes] = {"latest": head, "supported": b""}
        self._objects = objects
        self._pool = pool

    def record(self, mv: ModuleVersion) -> bytes | None:
        """Return a version's record."""
        try:
            return self._objects.read(store.lookup_key(self.verifier.name, mv))
        except MissingError:
            return None

    def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """Return tiles; raises UpstreamError for one that is not mirrored."""
        # A reader each time: it remembers all that it read.
        return Tiles(self.verifier.name, _nobody, self._objects, self._pool).read_tiles(tiles)


@contextmanager
def mirrors_of(settings: Settings, catalog: Catalog, objects: Objects) -> Iterator[list[Mirror]]:
    """Give the mirrors of the configured databases, as far as there are any yet. Raises ConfigError."""
    configured = parse_databases(settings.sumdb or toolchain.go_env("GOSUMDB")["GOSUMDB"])
    heads = [(database.verifier, catalog.tree_head(database.name)) for database in configured]
    with ThreadPoolExecutor(4, "tiles") as pool:
        yield [Mirror(verifier, head, objects, pool) for verifier, head in heads if head is not None]


def _nobody(subpath: str) -> bytes:
    raise NotFoundError(f"{subpath} is not in the mirror")
