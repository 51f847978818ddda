"""The proofs in a bundle: the records of a log, and the tiles that prove them in one signed tree head.

A log is the checksum database, as it was verified and mirrored here, or our own ledger; nobody else is asked. Each
record is proved again on the way, so that a bundle is never made which its reader refuses. Tiles are cut to the width
that they have in that one tree. Where earlier bundles went, their tree heads are trusted: which sizes they had is
remembered, and the tiles that show each of those trees to be the beginning of this one come along (`edge`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol, Self

from gopherwood import note, store, tlog
from gopherwood.catalog import Catalog
from gopherwood.errors import ProofError
from gopherwood.module import ModuleVersion
from gopherwood.note import Verifier
from gopherwood.tlog import HASH_SIZE, HEIGHT, Tile, Tree

MOST_HEADS: Final = 500
"""Earlier bundles that a new one follows provably; of weekly ones those of ten years."""


class Log(Protocol):
    """Where records and tiles come from."""

    verifier: Verifier
    head: bytes
    """The signed tree head in which all is proved."""
    said: Mapping[str, bytes]
    """What the log answers at other names below its root: `latest` and `supported` at least."""

    def record(self, mv: ModuleVersion) -> bytes | None:
        """Return a version's record: number, text, empty line; None when there is none."""

    def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """Return tiles; raises UpstreamError for one that is not had."""


class Proofs:
    """The proofs of one log, as of its newest signed tree head."""

    height = HEIGHT

    def __init__(self, log: Log, earlier: Sequence[int] = ()) -> None:
        self._log = log
        self.name = log.verifier.name
        self._tree = tlog.parse_tree(note.open(log.head, [log.verifier]).text.encode())
        self._earlier = [size for size in earlier if 0 < size < self._tree.n]
        self._seen: set[Tile] = set()
        self._edges: set[Tile] = set()

    @classmethod
    def begin(cls, log: Log, catalog: Catalog) -> Self:
        """Begin a bundle's proofs of a log. Raises ProofError for a head that is not the log's."""
        found = cls(log, json.loads(catalog.cursor(_cursor(log.verifier.name)) or "[]"))
        for size in found._earlier:
            found._read(tlog.sub_tree_index(0, size))
        found._edges, found._seen = found._seen, set()
        found._read([tlog.stored_hash_index(0, found._tree.n - 1)] if found._tree.n else [])
        return found

    def remember(self, catalog: Catalog) -> None:
        """Remember that a bundle with this tree head was handed out."""
        sizes = sorted({*self._earlier, self._tree.n})[-MOST_HEADS:]
        catalog.set_cursor(_cursor(self.name), json.dumps(sizes))

    def prove(self, mvs: Sequence[ModuleVersion]) -> Iterator[tuple[str, bytes]]:
        """Prove the records of some versions, and note the tiles that takes; yield name and content of each record.

        Raises ProofError when the log contradicts itself, UpstreamError when a tile is missing.
        """
        found = {mv: record for mv in mvs if (record := self._log.record(mv)) is not None}
        parsed = [tlog.parse_record(record) for record in found.values()]
        hashes = self._read(tlog.stored_hash_index(0, number) for number, _, _ in parsed)
        for (mv, record), (number, text, _), value in zip(found.items(), parsed, hashes, strict=True):
            if tlog.record_hash(text) != value:
                raise ProofError(f"{self.name}: our record {number} of {mv} is not the one that its tree holds")
            yield store.lookup_key(self.name, mv), record + self._log.head

    def rest(self) -> Iterator[tuple[str, bytes, bool]]:
        """Yield name and content of what is no record, and whether it is an edge."""
        for subpath, content in sorted(self._log.said.items()):
            yield self._place(subpath), content, False
        for tile in sorted(self._seen | self._edges, key=Tile.path):
            yield self._place(tile.path()), self._log.tiles([tile])[0], tile in self._edges

    def content(self, name: str, last: ModuleVersion) -> bytes:
        """Return what a name of ours stands for; a record is that of the `last` version."""
        subpath = name.removeprefix(self._place(""))
        if subpath in self._log.said:
            return self._log.said[subpath]
        if subpath.startswith("lookup/"):
            return (self._log.record(last) or b"") + self._log.head
        return self._log.tiles([tlog.parse_tile_path(subpath)])[0]

    def has(self, name: str) -> bool:
        """Tell whether a name is one of ours."""
        return name.startswith(self._place(""))

    # --- a tlog.TileReader that notes what was read

    def read_tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """Give the tiles' data."""
        return self._log.tiles(tiles)

    def save_tiles(self, tiles: Sequence[Tile], data: Sequence[bytes]) -> None:
        """Note tiles that were checked."""
        assert all(len(content) == tile.w * HASH_SIZE for tile, content in zip(tiles, data, strict=True))
        self._seen.update(tiles)

    def _read(self, indexes: Iterable[int]) -> list[bytes]:
        return list(tlog.tile_hash_reader(self._tree, self)(list(indexes)))

    def _place(self, subpath: str) -> str:
        return f"sumdb/{self.name}/{subpath}"

    @property
    def tree(self) -> Tree:
        """The tree in which all is proved."""
        return self._tree


def _cursor(name: str) -> str:
    return f"exported-heads:{name}"
