"""Tiles: the pieces in which a log's hashes are served, and how they are checked before use.

A tile of height H at level L holds up to 2^H hashes of the tree's level H*L; what lies above them within the tile is
computed. Its path is `tile/H/L/NNN[.p/W]`, with N in groups of three digits (`x001/x234/067`) and `.p/W` on a tile at
the right edge that holds only W hashes. The level "data" (-1) holds records, not hashes.

Tiles from a server are suspect: `tile_hash_reader` reads only what it has checked against the tree head, and only then
tells the TileReader that the tiles may be kept.

Authority: golang.org/x/mod/sumdb/tlog, tile.go; https://research.swtch.com/tlog#authenticating_tiles.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from gopherwood.errors import ProofError
from gopherwood.tlog.merkle import (
    HASH_SIZE,
    Hash,
    HashReader,
    node_hash,
    split_stored_hash_index,
    stored_hash_index,
    sub_tree_index,
)
from gopherwood.tlog.text import Tree

MAX_HEIGHT: Final = 30
HEIGHT: Final = 8
"""The height of the tiles that Go's client asks for, and of C2SP tlog-tiles."""
_PATH_BASE: Final = 1000
_MAX_INT64: Final = (1 << 63) - 1


class Tile(NamedTuple):
    """A tile: height (1..30), level (-1..63), number within the level, width (1..2^height, which is full)."""

    h: int
    l: int  # noqa: E741  the field's word
    n: int
    w: int

    @property
    def full_width(self) -> int:
        """How many hashes a complete tile of this height holds."""
        return 1 << self.h

    @property
    def is_full(self) -> bool:
        """Whether this tile is complete."""
        return self.w == self.full_width

    def full(self) -> "Tile":
        """Name the complete tile in this tile's place."""
        return self._replace(w=self.full_width)

    def path(self) -> str:
        """Write the tile's path below the log's root."""
        groups = [f"{self.n % _PATH_BASE:03d}"]
        n = self.n // _PATH_BASE
        while n:
            groups.append(f"x{n % _PATH_BASE:03d}")
            n //= _PATH_BASE
        level = "data" if self.l == -1 else str(self.l)
        partial = "" if self.is_full else f".p/{self.w}"
        return f"tile/{self.h}/{level}/{'/'.join(reversed(groups))}{partial}"


class TileReader(Protocol):
    """Where tiles come from: a cache, a server."""

    @property
    def height(self) -> int:
        """The height of the tiles."""

    def read_tiles(self, tiles: Sequence[Tile]) -> Sequence[bytes]:
        """Give each tile's data (`w` hashes); what comes from a server must not be kept yet."""

    def save_tiles(self, tiles: Sequence[Tile], data: Sequence[bytes]) -> None:
        """Take note that these tiles were checked and may be kept."""


def parse_tile_path(path: str) -> Tile:
    """Read a tile's path; only the one form that `Tile.path` writes is accepted. Raises ProofError."""
    malformed = ProofError(f"malformed tile path {path[:200]!r}")
    parts = path.split("/")
    if len(path) > 200 or len(parts) < 4 or parts[0] != "tile" or not path.isascii():
        raise malformed
    _, height, level, *rest = parts
    try:
        h = int(height)
        l = -1 if level == "data" else int(level)  # noqa: E741
        if not 1 <= h <= MAX_HEIGHT or (l < 0 and level != "data"):
            raise malformed
        w = 1 << h
        if len(rest) >= 2 and rest[-2].endswith(".p"):
            w = int(rest.pop())
            rest[-1] = rest[-1].removesuffix(".p")
        n = int("".join(group.removeprefix("x") for group in rest))
    except ValueError:
        raise malformed from None
    tile = Tile(h, l, n, w)
    # Writing it again settles everything else: signs, spaces, leading zeros, a full width spelled out.
    if not 1 <= w <= 1 << h or not 0 <= n <= _MAX_INT64 or tile.path() != path:
        raise malformed
    return tile


def tile_for_index(height: int, index: int) -> Tile:
    """Name the narrowest tile that holds the stored hash with this index."""
    return _locate(height, index)[0]


def _locate(height: int, index: int) -> tuple[Tile, int, int]:
    """Find the tile of a stored hash, and which of the tile's hashes it covers."""
    level, n = split_stored_hash_index(index)
    tile_level, level = divmod(level, height)
    number = (n << level) >> height
    n -= (number << height) >> level
    return Tile(height, tile_level, number, (n + 1) << level), n << level, (n + 1) << level


def hash_from_tile(tile: Tile, data: bytes, index: int) -> Hash:
    """Compute the stored hash with this index from the tile's data. Raises ProofError when it is not in there."""
    if not (1 <= tile.h <= MAX_HEIGHT and 0 <= tile.l < 64 and 1 <= tile.w <= tile.full_width):
        raise ProofError(f"invalid tile {tile.path()}")
    if len(data) < tile.w * HASH_SIZE:
        raise ProofError(f"data len {len(data)} too short for tile {tile.path()}")
    narrow, start, end = _locate(tile.h, index)
    if (tile.l, tile.n) != (narrow.l, narrow.n) or tile.w < narrow.w:
        raise ProofError(f"index {index} is in {narrow.path()} not {tile.path()}")
    return tile_hash(data[start * HASH_SIZE : end * HASH_SIZE])


def tile_hash(data: bytes) -> Hash:
    """Join a power of two of hashes into the hash of the subtree over them."""
    hashes = [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def new_tiles(height: int, old_size: int, new_size: int) -> list[Tile]:
    """List the tiles to publish when the tree grows from the old size to the new one."""
    tiles = []
    level = 0
    while new_n := new_size >> (height * level):
        old_n = old_size >> (height * level)
        if old_n != new_n:
            tiles += [Tile(height, level, n, 1 << height) for n in range(old_n >> height, new_n >> height)]
            n = new_n >> height
            if width := new_n - (n << height):
                tiles.append(Tile(height, level, n, width))
        level += 1
    return tiles


def read_tile_data(tile: Tile, reader: HashReader) -> bytes:
    """Make a tile's data from stored hashes."""
    start = tile.n << tile.h
    indexes = [stored_hash_index(tile.h * tile.l, start + i) for i in range(tile.w or tile.full_width)]
    hashes = reader(indexes)
    if len(hashes) != len(indexes):
        raise ProofError(f"tlog: read {len(indexes)} indexes, got {len(hashes)} hashes")
    return b"".join(hashes)


def tile_parent(tile: Tile, k: int, size: int) -> Tile | None:
    """Name the k'th ancestor of a tile in the tree of this size, as wide as it is there; None when there is none."""
    level = tile.l + k
    n = tile.n >> (k * tile.h)
    width = min((size >> (level * tile.h)) - (n << tile.h), 1 << tile.h)
    return Tile(tile.h, level, n, width) if width > 0 else None


class TileHashReader:
    """Reads stored hashes of one tree from tiles, each checked against the tree's root before it is believed.

    An instance is a HashReader. Raises ProofError when tiles contradict the root.
    """

    def __init__(self, tree: Tree, reader: TileReader) -> None:
        self.tree = tree
        self.reader = reader

    def __call__(self, indexes: Sequence[int]) -> list[Hash]:
        """Give the stored hashes at the indexes."""
        if not indexes:
            return []
        edge, edge_tiles = self._edge()
        tiles = dict.fromkeys(edge_tiles)  # ordered: parents stand before children
        wanted = [self._plan(index, tiles) for index in indexes]
        data = self._fetch(list(tiles))
        self._check_edge(edge, edge_tiles, data)
        self._check_parents(set(edge_tiles), data)
        self.reader.save_tiles(list(data), list(data.values()))
        return [hash_from_tile(tile, data[tile], index) for index, tile in zip(indexes, wanted, strict=True)]

    def _edge(self) -> tuple[list[int], list[Tile]]:
        """List the stored hashes that make up the root, and the tile of each."""
        edge = sub_tree_index(0, self.tree.n)
        tiles = []
        for index in edge:
            tile = tile_parent(tile_for_index(self.reader.height, index), 0, self.tree.n)
            assert tile is not None
            tiles.append(tile)
        return edge, tiles

    def _plan(self, index: int, tiles: dict[Tile, None]) -> Tile:
        """Add the tile of this index, and its ancestors up to one that is there already; return the index's tile."""
        if index < 0 or index >= stored_hash_index(0, self.tree.n):
            raise ProofError("indexes not in tree")
        narrow = tile_for_index(self.reader.height, index)
        chain: list[Tile] = []
        while True:
            ancestor = tile_parent(narrow, len(chain), self.tree.n)
            if ancestor is None:
                raise ProofError(f"tlog: index {index} has no tile in a tree of {self.tree.n}")
            if ancestor in tiles:
                break
            chain.append(ancestor)
        for tile in reversed(chain):
            if not tile.is_full:  # only full tiles have parents, and this one has
                raise ProofError(f"tlog: partial tile {tile.path()} inside a tree of {self.tree.n}")
            tiles[tile] = None
        return chain[0] if chain else ancestor

    def _fetch(self, tiles: list[Tile]) -> dict[Tile, bytes]:
        data = self.reader.read_tiles(tiles)
        if len(data) != len(tiles):
            raise ProofError(f"TileReader returned {len(data)} tiles, want {len(tiles)}")
        for tile, content in zip(tiles, data, strict=True):
            if len(content) != tile.w * HASH_SIZE:
                raise ProofError(f"TileReader returned {len(content)} bytes for {tile.path()}")
        return dict(zip(tiles, data, strict=True))

    def _check_edge(self, edge: list[int], tiles: list[Tile], data: dict[Tile, bytes]) -> None:
        root = b""
        for index, tile in zip(reversed(edge), reversed(tiles), strict=True):
            value = hash_from_tile(tile, data[tile], index)
            root = node_hash(value, root) if root else value
        if root != self.tree.hash:
            # At least one tile is wrong, and nothing tells which.
            raise ProofError("downloaded inconsistent tile: the right edge is not the tree head's")

    def _check_parents(self, edge: set[Tile], data: dict[Tile, bytes]) -> None:
        for tile, content in data.items():
            if tile in edge:
                continue
            parent = tile_parent(tile, 1, self.tree.n)
            if parent is None or parent not in data:
                raise ProofError(f"tlog: lost the parent of {tile.path()}")
            if hash_from_tile(parent, data[parent], stored_hash_index(parent.l * parent.h, tile.n)) != tile_hash(
                content
            ):
                raise ProofError(f"downloaded inconsistent tile: {tile.path()} is not its parent's")


def tile_hash_reader(tree: Tree, reader: TileReader) -> HashReader:
    """Make a HashReader of the tree over tiles."""
    return TileHashReader(tree, reader)
