"""Hash tiles of one database: read from the store, else fetched; kept when they were checked.

An instance lives as long as one batch of lookups. What it fetched is suspect until `save_tiles` says otherwise, and
reaches the store only with `flush`, after whoever reads has decided to trust the tree.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import TypeAlias

from gopherwood import store
from gopherwood.errors import NotFoundError, UpstreamError
from gopherwood.objects import MissingError, Objects
from gopherwood.tlog import HASH_SIZE, HEIGHT, Tile

Fetch: TypeAlias = Callable[[str], bytes]
"""Gives what the database serves at a path below its root (`latest`, `lookup/...`, `tile/...`)."""


class Tiles:
    """A tlog.TileReader over the store and the database."""

    height = HEIGHT

    def __init__(self, name: str, fetch: Fetch, objects: Objects | None, pool: Executor) -> None:
        self._name = name
        self._fetch = fetch
        self._objects = objects
        self._pool = pool
        self._seen: dict[Tile, bytes] = {}
        self._stored: set[Tile] = set()
        self._checked: dict[Tile, bytes] = {}

    def read_tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """Give the tiles' data, asking for several at once. Raises UpstreamError for one that cannot be had."""
        absent = [tile for tile in dict.fromkeys(tiles) if tile not in self._seen]
        self._seen |= zip(absent, self._pool.map(self._read, absent), strict=True)
        return [self._seen[tile] for tile in tiles]

    def save_tiles(self, tiles: Sequence[Tile], data: Sequence[bytes]) -> None:
        """Take note of checked tiles."""
        for tile, content in zip(tiles, data, strict=True):
            if tile not in self._stored:
                self._checked[tile] = content

    def unmirrored(self) -> "Tiles":
        """Return a reader of the same database that neither reads nor fills the store."""
        return Tiles(self._name, self._fetch, None, self._pool)

    def flush(self) -> None:
        """Make the checked tiles durable. Raises ImmutabilityError if the store holds others, StorageError."""
        assert self._objects is not None
        self._objects.create_many([(self._key(tile), data) for tile, data in self._checked.items()])
        self._stored.update(self._checked)
        self._checked.clear()

    def cut(self, wide: Tile, width: int) -> None:
        """Keep the front of a checked tile too, for clients of an older head, which know the tile as narrow as that."""
        self._checked[wide._replace(w=width)] = self._seen[wide][: width * HASH_SIZE]

    def suspect(self) -> dict[Tile, bytes]:
        """Return what the database gave and nothing has shown to be of its tree: evidence, when something is wrong."""
        kept = self._stored | self._checked.keys()
        return {tile: data for tile, data in self._seen.items() if tile not in kept}

    def discard(self) -> None:
        """Forget the tiles that were checked since the last `flush`: their tree is not to be trusted."""
        self._checked.clear()
        self._seen = {tile: data for tile, data in self._seen.items() if tile in self._stored}

    def _key(self, tile: Tile) -> str:
        return store.tile_key(self._name, tile.path())

    def _read(self, tile: Tile) -> bytes:
        stored = self._from_store(tile)
        if stored is not None:
            return stored
        # A partial tile that is gone upstream was completed there.
        for wanted in _unique(tile, tile.full()):
            try:
                data = self._fetch(wanted.path())
            except NotFoundError:
                continue
            if len(data) != wanted.w * HASH_SIZE:
                raise UpstreamError(f"{self._name}: {wanted.path()} has {len(data)} bytes, not {wanted.w * HASH_SIZE}")
            return data[: tile.w * HASH_SIZE]
        # Not a NotFoundError: that would say that a module is gone.
        raise UpstreamError(f"{self._name} withholds {tile.path()}, so that nothing in it can be verified")

    def _from_store(self, tile: Tile) -> bytes | None:
        if self._objects is None:
            return None
        for wanted in _unique(tile, tile.full()):
            try:
                data = self._objects.read(self._key(wanted))
            except MissingError:
                continue
            self._stored.add(tile)
            return data[: tile.w * HASH_SIZE]
        return None


def _unique(*tiles: Tile) -> Iterable[Tile]:
    return dict.fromkeys(tiles)
