"""The right edge of a growing tree, in tiles of the usual height: all that appending needs, and all that it changes.

At each level the last, incomplete tile is kept; a tile that gets full hands its hash to the level above. So an append
touches one tile, and rarely one more a level; and the root hash is in these tiles, whatever the size of the tree. A
tile grows in place: each of its earlier widths is a prefix of it.

Authority: the layout is that of `tiles`; https://research.swtch.com/tlog#tiling_a_log.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from gopherwood.errors import ProofError
from gopherwood.tlog.merkle import HASH_SIZE, Hash, tree_hash
from gopherwood.tlog.text import Tree
from gopherwood.tlog.tiles import HEIGHT, hash_from_tile, tile_for_index, tile_hash

WIDTH = 1 << HEIGHT
_FULL = WIDTH * HASH_SIZE

Place: TypeAlias = tuple[int, int]
"""Where a tile is: its level, and its number within the level."""


def edge_widths(size: int) -> dict[Place, int]:
    """Return the incomplete tiles of a tree of this size, each with how many hashes it holds; none of them is empty."""
    widths = {}
    level = 0
    while count := size >> (HEIGHT * level):
        if width := count % WIDTH:
            widths[level, count >> HEIGHT] = width
        level += 1
    return widths


def tile_count(size: int) -> int:
    """Count the hash tiles of a tree of this size, at all levels."""
    count, tiles = size, 0
    while count:
        tiles += -(-count // WIDTH)
        count >>= HEIGHT
    return tiles


class Edge:
    """The right edge of one tree. Not safe for threads."""

    def __init__(self, size: int, tiles: Mapping[Place, bytes]) -> None:
        """Begin with a tree of `size` records, whose incomplete tiles (`edge_widths`) are among `tiles`; wider will do.

        Raises ProofError when one is missing or too narrow.
        """
        self.size = size
        self._tiles: dict[Place, bytearray] = {}
        self._changed: set[Place] = set()
        for place, width in edge_widths(size).items():
            data = tiles.get(place, b"")[: width * HASH_SIZE]
            if len(data) < width * HASH_SIZE:
                found = len(data) // HASH_SIZE
                raise ProofError(
                    f"tile {place[1]} of level {place[0]} holds {found} hashes, not the {width} of its tree"
                )
            self._tiles[place] = bytearray(data)

    def append(self, hashes: Iterable[Hash]) -> None:
        """Append records by their hashes."""
        for value in hashes:
            self._append(value)

    def _append(self, value: Hash) -> None:
        level, n = 0, self.size
        self.size += 1
        while True:
            place = (level, n >> HEIGHT)
            tile = self._tiles.setdefault(place, bytearray())
            tile += value
            self._changed.add(place)
            if len(tile) < _FULL:
                return
            value = tile_hash(bytes(tile))
            level, n = level + 1, n >> HEIGHT

    def tree(self) -> Tree:
        """Return the tree as it is now."""
        return Tree(self.size, tree_hash(self.size, self._read))

    def take_changed(self) -> dict[Place, bytes]:
        """Return the tiles that changed since the last time, as they are now; full ones are forgotten."""
        changed = {place: bytes(self._tiles[place]) for place in sorted(self._changed)}
        for place, data in changed.items():
            if len(data) == _FULL:
                del self._tiles[place]
        self._changed.clear()
        return changed

    def _read(self, indexes: Sequence[int]) -> list[Hash]:
        tiles = [tile_for_index(HEIGHT, index) for index in indexes]
        return [
            hash_from_tile(tile, bytes(self._tiles[tile.l, tile.n]), index)
            for tile, index in zip(tiles, indexes, strict=True)
        ]
