"""The checksum database's part of a bundle: records, and the tiles that prove them in one signed tree head.

Everything comes from what was verified and mirrored here; nobody is asked. Each record is proved again on the way, so
that a bundle is never made which its reader refuses. Tiles are cut to the width that they have in that one tree. Where
earlier bundles went, their tree heads are trusted: which sizes they had is remembered, and the tiles that show each of
those trees to be the beginning of this one come along (`edge`).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Self

from gopherwood import note, store, tlog, toolchain
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import NotFoundError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects
from gopherwood.sumdb import parse_gosumdb
from gopherwood.sumdb.tiles import Tiles
from gopherwood.tlog import HASH_SIZE, HEIGHT, Tile, Tree

MOST_HEADS: Final = 500
"""Earlier bundles that a new one follows provably; of weekly ones those of ten years."""


class Proofs:
    """The proofs of one database, as of its newest trusted tree head."""

    height = HEIGHT

    def __init__(self, name: str, head: bytes, earlier: list[int], objects: Objects, pool: Executor) -> None:
        self.name = name
        self.head = head
        self._tree = tlog.parse_tree(head.split(b"\n\n")[0] + b"\n")
        self._earlier = [size for size in earlier if 0 < size < self._tree.n]
        self._objects = objects
        self._pool = pool
        self._tiles = self._reader()
        self._seen: set[Tile] = set()
        self._edges: set[Tile] = set()

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, catalog: Catalog, objects: Objects) -> Iterator[Self | None]:
        """Open the proofs of the configured database; None where there are none. Raises ConfigError, ProofError."""
        database = parse_gosumdb(settings.sumdb or toolchain.go_env("GOSUMDB")["GOSUMDB"])
        head = None if database is None else catalog.tree_head(database.name)
        if database is None or head is None:
            yield None
            return
        note.open(head, [database.verifier])
        earlier = json.loads(catalog.cursor(_cursor(database.name)) or "[]")
        with ThreadPoolExecutor(4, "tiles") as pool:
            proofs = cls(database.name, head, earlier, objects, pool)
            proofs._find_edges()
            yield proofs

    def prove(self, mvs: Sequence[ModuleVersion]) -> set[ModuleVersion]:
        """Prove the records of some versions, and note the tiles that takes; return the versions that have a record.

        Raises ProofError when the mirror contradicts itself, UpstreamError when a tile is missing there.
        """
        numbers = {mv: number for mv in mvs if (number := self._number(mv)) is not None}
        self._read(tlog.stored_hash_index(0, number) for number in numbers.values())
        return numbers.keys() - set()

    def names(self) -> Iterator[tuple[str, bool]]:
        """Yield the names of what is not a record, sorted, and whether each is an edge."""
        yield f"sumdb/{self.name}/latest", False
        yield f"sumdb/{self.name}/supported", False
        for tile in sorted(self._seen | self._edges, key=Tile.path):
            yield store.tile_key(self.name, tile.path()), tile in self._edges

    def content(self, name: str) -> bytes:
        """Return what a name of ours stands for. Raises MissingError."""
        subpath = name.removeprefix(f"sumdb/{self.name}/")
        if subpath == "latest":
            return self.head
        if subpath == "supported":
            return b""
        if subpath.startswith("lookup/"):
            return self._objects.read(name) + self.head
        return self._reader().read_tiles([tlog.parse_tile_path(subpath)])[0]

    def remember(self, catalog: Catalog) -> None:
        """Remember that a bundle with this tree head was handed out."""
        sizes = sorted({*self._earlier, self._tree.n})[-MOST_HEADS:]
        catalog.set_cursor(_cursor(self.name), json.dumps(sizes))

    # --- a tlog.TileReader that notes what was read

    def read_tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """Give the tiles' data from the mirror."""
        return self._tiles.read_tiles(tiles)

    def save_tiles(self, tiles: Sequence[Tile], data: Sequence[bytes]) -> None:
        """Note tiles that were checked."""
        assert all(len(content) == tile.w * HASH_SIZE for tile, content in zip(tiles, data, strict=True))
        self._seen.update(tiles)

    def _read(self, indexes: Iterable[int]) -> list[bytes]:
        self._tiles = self._reader()  # a new one each time: it remembers all that it read
        return list(tlog.tile_hash_reader(self._tree, self)(list(indexes)))

    def _reader(self) -> Tiles:
        return Tiles(self.name, _nobody, self._objects, self._pool)

    def _find_edges(self) -> None:
        for size in self._earlier:
            self._read(tlog.sub_tree_index(0, size))
        self._edges, self._seen = self._seen, set()
        self._read([tlog.stored_hash_index(0, self._tree.n - 1)] if self._tree.n else [])

    def _number(self, mv: ModuleVersion) -> int | None:
        try:
            return tlog.parse_record(self._objects.read(store.lookup_key(self.name, mv)))[0]
        except MissingError:
            return None

    @property
    def tree(self) -> Tree:
        """The tree in which all is proved."""
        return self._tree


def _cursor(name: str) -> str:
    return f"exported-heads:{name}"


def _nobody(subpath: str) -> bytes:
    raise NotFoundError(f"{subpath} is not in the mirror")
