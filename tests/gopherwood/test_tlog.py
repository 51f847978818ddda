"""Transparency logs: every proof of every small tree holds, and no changed one does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gopherwood import tlog
from gopherwood.errors import ProofError


def make_log(size):
    """Store the hashes of a log with `size` records; return them and the hash of each tree on the way."""
    stored, trees = [], [tlog.EMPTY_HASH]
    for n in range(size):
        stored += tlog.stored_hashes(n, b"record %d" % n, reader(stored))
        trees.append(tlog.tree_hash(n + 1, reader(stored)))
    return stored, trees


def reader(stored):
    return lambda indexes: [stored[index] for index in indexes]


SIZE = 70
STORED, TREES = make_log(SIZE)


class Tiles:
    """Tiles of the log, cut on demand; `spoil` may change them."""

    def __init__(self, height, spoil=lambda tile, data: data):
        self.height, self.spoil, self.saved = height, spoil, {}

    def read_tiles(self, tiles):
        return [self.spoil(tile, tlog.read_tile_data(tile, reader(STORED))) for tile in tiles]

    def save_tiles(self, tiles, data):
        self.saved.update(zip(tiles, data, strict=True))


def test_stored_hash_index_and_its_inverse_agree():
    """Indexes of stored hashes are dense, and split_stored_hash_index undoes stored_hash_index."""
    pairs = [tlog.split_stored_hash_index(index) for index in range(1000)]
    assert list(range(1000)) == [tlog.stored_hash_index(level, n) for level, n in pairs]
    assert len(STORED) == tlog.stored_hash_count(SIZE)


def test_every_record_proof_holds():
    """Each record of each tree has a proof that checks, and the next record's hash does not."""
    for t in range(1, SIZE + 1):
        for n in range(t):
            proof = tlog.prove_record(t, n, reader(STORED))
            tlog.check_record(proof, t, TREES[t], n, tlog.record_hash(b"record %d" % n))
            with pytest.raises(ProofError):
                tlog.check_record(proof, t, TREES[t], n, tlog.record_hash(b"forged"))


def test_every_tree_proof_holds():
    """Each tree is proved to begin with each older one, and with no other."""
    for t in range(1, SIZE + 1):
        for n in range(1, t + 1):
            proof = tlog.prove_tree(t, n, reader(STORED))
            tlog.check_tree(proof, t, TREES[t], n, TREES[n])
            with pytest.raises(ProofError):
                tlog.check_tree(proof, t, TREES[t], n, TREES[n - 1])


@given(st.integers(1, SIZE), st.data())
def test_no_changed_proof_holds(t, data):
    """A record proof with one hash changed, added or taken away is refused."""
    n = data.draw(st.integers(0, t - 1))
    proof = tlog.prove_record(t, n, reader(STORED))
    at = data.draw(st.integers(0, len(proof)))
    changed = data.draw(
        st.sampled_from([[*proof[:at], bytes(32), *proof[at:]], [*proof[:at], bytes(32), *proof[at + 1 :]]])
    )
    with pytest.raises(ProofError):
        tlog.check_record(changed, t, TREES[t], n, tlog.record_hash(b"record %d" % n))


@pytest.mark.parametrize("height", [1, 2, 3, 8])
def test_tiles_give_the_stored_hashes(height):
    """Read through tiles, every stored hash of every tree is the one that was stored."""
    for t in range(1, SIZE + 1):
        tiles = Tiles(height)
        indexes = range(tlog.stored_hash_index(0, t))
        assert [STORED[i] for i in indexes] == tlog.tile_hash_reader(tlog.Tree(t, TREES[t]), tiles)(list(indexes))
        assert set(tlog.new_tiles(height, 0, t)) >= set(tiles.saved)


@given(st.sampled_from([1, 2, 3, 8]), st.integers(2, SIZE), st.data())
def test_changed_tiles_are_never_believed(height, t, data):
    """One bit flipped in any tile that a read needs is noticed, and nothing is saved."""
    n = data.draw(st.integers(0, t - 1))
    index = tlog.stored_hash_index(0, n)
    honest, tree = Tiles(height), tlog.Tree(t, TREES[t])
    tlog.tile_hash_reader(tree, honest)([index])
    victim = data.draw(st.sampled_from(sorted(honest.saved)))
    bit = data.draw(st.integers(0, len(honest.saved[victim]) * 8 - 1))
    flip = (1 << bit).to_bytes(len(honest.saved[victim]), "little")
    hostile = Tiles(height, lambda tile, d: bytes(a ^ b for a, b in zip(d, flip, strict=True)) if tile == victim else d)
    with pytest.raises(ProofError):
        tlog.tile_hash_reader(tree, hostile)([index])
    assert not hostile.saved


@given(st.integers(1, 30), st.integers(-1, 63), st.integers(0, 2**63 - 1), st.data())
def test_tile_paths_round_trip(height, level, number, data):
    """A tile's path parses to the tile."""
    tile = tlog.Tile(height, level, number, data.draw(st.integers(1, 1 << height)))
    assert tile == tlog.parse_tile_path(tile.path())


@pytest.mark.parametrize(
    "path",
    ["", "tile/8/0", "tile/8/0/1", "tile/08/0/001", "tile/8/0/+01", "tile/8/0/001.p/256", "tile/8/0/001.p/0",
     "tile/8/-1/001", "tile/31/0/001", "tile/8/0/x000/001", "tile/8/0/001/", "/tile/8/0/001", "tile/8/0/1_0",
     "tile/8/0/" + "x999/" * 9 + "999", "tile/8/0/٠٠١", "tile/8/0/../001",
     "tile/8/0/" + "x001/" * 10_000 + "001"],
)  # fmt: skip
def test_other_tile_paths_are_refused(path):
    """Only the one canonical path of a tile is accepted."""
    with pytest.raises(ProofError):
        tlog.parse_tile_path(path)


def test_records_and_trees_round_trip():
    """Records and tree heads read back as written; what follows a record is returned."""
    tree = tlog.Tree(7, TREES[7])
    assert tree == tlog.parse_tree(tlog.format_tree(tree))
    assert tlog.parse_record(tlog.format_record(7, b"a\nb\n") + b"rest") == (7, b"a\nb\n", b"rest")


@pytest.mark.parametrize(
    "message", [b"", b"x\na\n\n", b"1\na\n", b"1\na\tb\n\n", b"1\na\xff\n\n", b"9" * 30 + b"\na\n\n"]
)
def test_malformed_records_are_refused(message):
    """A record is a number, lines of UTF-8 without control characters, and a blank line."""
    with pytest.raises(ProofError, match="malformed record"):
        tlog.parse_record(message)


@pytest.mark.parametrize("size", [b"-1", b"+1", b"01", b"1_0", b"9223372036854775808", b"", b"9" * 10_000])
def test_malformed_tree_sizes_are_refused(size):
    """A tree's size is a canonical non-negative 64-bit number."""
    with pytest.raises(ProofError, match="malformed tree"):
        tlog.parse_tree(tlog.format_tree(tlog.Tree(1, TREES[1])).replace(b"\n1\n", b"\n" + size + b"\n"))
