"""Tiles of a mirrored checksum database: read from the store, and put to the test that each client begins with."""

from collections.abc import Sequence

from gopherwood import tlog
from gopherwood.errors import ProofError
from gopherwood.objects import MissingError, Objects
from gopherwood.store import tile_key
from gopherwood.tlog import Tile


def read_tile(objects: Objects, name: str, path: str) -> bytes:
    """Read a mirrored tile; a partial one that was completed since is cut from the full one. Raises MissingError."""
    try:
        return objects.read(tile_key(name, path))
    except MissingError:
        full, _, width = path.partition(".p/")
        if not width or "/data/" in path:
            raise
    return objects.read(tile_key(name, full))[: int(width) * tlog.HASH_SIZE]


def edge_problem(objects: Objects, name: str, head: bytes) -> str:
    """Return why a head cannot be proved from the tiles that are mirrored, "" when it can.

    The hash of its last record is read: that takes every tile at the tree's right edge, from the leaves to the root.
    """
    try:
        tree = tlog.parse_tree(head)
        if tree.n:
            tlog.tile_hash_reader(tree, _Mirrored(objects, name))([tlog.stored_hash_index(0, tree.n - 1)])
    except (ProofError, MissingError) as error:
        return str(error)
    return ""


class _Mirrored:
    """A tlog.TileReader over the mirror alone."""

    height = 8

    def __init__(self, objects: Objects, name: str) -> None:
        self._objects = objects
        self._name = name

    def read_tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """Give the tiles' data; raises MissingError."""
        return [read_tile(self._objects, self._name, tile.path()) for tile in tiles]

    def save_tiles(self, tiles: Sequence[Tile], data: Sequence[bytes]) -> None:
        """Do nothing: they are kept already."""
