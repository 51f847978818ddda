"""x/mod's transparency logs, held against ours: its tables, its real proofs of another log, its tree tests."""

import base64
import json

import pytest

from gopherwood import gotext, tlog
from gopherwood.errors import ProofError
from xmod.source import Expr, folder, go_table

pytestmark = pytest.mark.upstream

NOTES, TLOG, TILES = "sumdb/tlog/note_test.go", "sumdb/tlog/tlog_test.go", "sumdb/tlog/tile_test.go"
HEAD = b"go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n"
TREE = tlog.Tree(123456789012, tlog.record_hash(b"hello world"))


def texts(function, nth=0):
    """Return the literals of a table; those written with variables are tested by hand."""
    return [gotext.to_bytes(row) for row in go_table(NOTES, function, nth) if not isinstance(row, Expr)]


def test_tree_heads():
    """Heads are written and read as Go does; its bad ones are refused, junk at the end is not looked at."""
    assert (tlog.format_tree(TREE), tlog.parse_tree(HEAD)) == (HEAD, TREE)
    assert tlog.parse_tree(HEAD + b"JOE\n" * 1000) == tlog.parse_tree(HEAD + b"JOE") == TREE
    for bad in [b"not-" + HEAD, *texts("TestParseTree")]:
        with pytest.raises(ProofError):
            tlog.parse_tree(bad)


def test_records():
    """Records are written and read as Go does; its bad ones are refused."""
    good = b"123456789012\nhello, world\n\n"
    assert tlog.format_record(123456789012, b"hello, world\n") == good
    assert tlog.parse_record(good + b"junk on end\x01\xff") == (123456789012, b"hello, world\n", b"junk on end\x01\xff")
    for bad in texts("TestFormatRecord"):
        with pytest.raises(ProofError):
            tlog.format_record(1, bad)
    for bad in [b"not-" + good, *texts("TestParseRecord")]:
        with pytest.raises(ProofError):
            tlog.parse_record(bad)


def test_tile_paths():
    """Paths name the tiles that Go's do, and those that name none are refused."""
    for row in go_table(TLOG, "tilePaths"):
        if row["tile"]:
            tile = tlog.Tile(*map(int, row["tile"]))
            assert (tile.path(), tlog.parse_tile_path(row["path"])) == (row["path"], tile)
        else:
            with pytest.raises(ProofError):
                tlog.parse_tile_path(row["path"])


def test_new_tiles():
    """A tree that grows needs as many new tiles as Go says."""
    rows = go_table(TILES, "TestNewTilesForSize")
    assert [len(tlog.new_tiles(10, row["old"], row["new"])) for row in rows] == [row["want"] for row in rows]


def test_certificate_transparency():
    """Proofs of a real log, which is not ours nor Go's, check."""

    def read(name):
        return json.loads((folder() / "sumdb/tlog/testdata/argon2020" / f"{name}.json").read_text())

    root = read("sth")
    size, head = root["tree_size"], tlog.parse_hash(root["sha256_root_hash"])
    leaf = tlog.record_hash(base64.b64decode(read("entries")["entries"][0]["leaf_input"]))
    tlog.check_record([tlog.parse_hash(h) for h in read("proof")["audit_path"]], size, head, 10000, leaf)
    old = tlog.parse_hash("AuIZ5V6sDUj1vn3Y1K85oOaQ7y+FJJKtyRTl1edIKBQ=")
    tlog.check_tree([tlog.parse_hash(h) for h in read("consistency")["consistency"]], size, head, 3654490, old)


class Storage:
    """Stored hashes and tiles of height 2 of Go's test tree, as its tests keep them."""

    height = 2

    def __init__(self):
        self.stored, self.trees, self.zeroed = [], [], None

    def __call__(self, indexes):
        assert list(indexes) == sorted(set(indexes)), "indexes out of order"
        return [self.stored[index] for index in indexes]

    def grow(self):
        self.stored += tlog.stored_hashes(len(self.trees), b"leaf %d" % len(self.trees), self)
        self.trees.append(tlog.tree_hash(len(self.trees) + 1, self))

    @property
    def reader(self):
        return tlog.tile_hash_reader(tlog.Tree(len(self.trees), self.trees[-1]), self)

    def read_tiles(self, tiles):
        return [self._zero(tile, tlog.read_tile_data(tile, self)) for tile in tiles]

    def _zero(self, tile, data):
        """Clear the hashes below one stored hash, where the tile has them."""
        if self.zeroed is None:
            return data
        narrow = tlog.tile_for_index(self.height, self.zeroed)
        level = tlog.split_stored_hash_index(self.zeroed)[0] % self.height
        if (tile.l, tile.n) != (narrow.l, narrow.n) or narrow.w > tile.w:
            return data
        start, end = (narrow.w - (1 << level)) * 32, narrow.w * 32
        return data[:start] + bytes(end - start) + data[end:]

    def save_tiles(self, tiles, data):
        assert list(data) == [tlog.read_tile_data(tile, self) for tile in tiles]


def test_tree_through_tiles():
    """For a hundred trees, records and older trees are proved through tiles, and indexes beyond the tree refused."""
    storage = Storage()
    for size in range(1, 101):
        storage.grow()
        assert tlog.stored_hash_count(size) == len(storage.stored)
        reader = storage.reader
        for n in range(size):
            leaf = tlog.record_hash(b"leaf %d" % n)
            tlog.check_record(tlog.prove_record(size, n, reader), size, storage.trees[-1], n, leaf)
            tlog.check_tree(tlog.prove_tree(size, n + 1, reader), size, storage.trees[-1], n + 1, storage.trees[n])
        with pytest.raises(ProofError):
            reader([size * 2])


def test_tampered_tiles():
    """Whichever stored hash is zeroed in the tiles, reading it, or all, fails."""
    storage = Storage()
    for _ in range(40):
        storage.grow()
        indexes = list(range(tlog.stored_hash_index(0, len(storage.trees))))
        assert storage.reader(indexes) == storage.stored[: len(indexes)]
        for storage.zeroed in indexes:
            for wanted in ([storage.zeroed], indexes):
                with pytest.raises(ProofError):
                    storage.reader(wanted)
        storage.zeroed = None
