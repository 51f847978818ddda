"""The ledger in the catalog: it grows as a transparency log must, on both kinds of database, whoever appends."""

import subprocess
import sys

import pytest

from fakes import logged
from gopherwood import tlog
from gopherwood.catalog import Catalog
from gopherwood.catalog.schema import ledger_tiles
from gopherwood.errors import ConfigError, IntegrityError
from gopherwood.ledger.key import open_checkpoint, open_tree
from gopherwood.ledger.log import Log

SIZES = (1, 2, 100, 153, 1, 255, 256, 300)
"""Batches, which fill tiles exactly, overfill them, and begin new ones."""


STORED = logged.stored_hashes(logged.entries(0, sum(SIZES)))


def root(size: int) -> bytes:
    return logged.root(STORED, size)


def grow(catalog: Catalog, signer=None) -> int:
    """Append in batches; return the size."""
    size = 0
    for more in SIZES:
        assert catalog.ledger_append(logged.entries(size, size + more), signer).new == more
        size += more
    return size


def test_it_is_the_tree_of_its_records(catalog):
    """However it was cut into batches: entries in order, every tile and every stored hash as computed one by one."""
    size = grow(catalog)
    assert [(e.number, e.record) for e in catalog.ledger_entries(0, size + 1)] == [
        (number, entry.record) for number, entry in enumerate(logged.entries(0, size))
    ]
    assert catalog.ledger_hashes(range(len(STORED))) == STORED
    extent = catalog.ledger_extent()
    assert (extent.size, extent.rows, extent.tiles) == (size, size, tlog.tile_count(size))


def test_every_head_is_signed_and_follows_from_the_one_before(catalog):
    """Each batch leaves a note that Go reads and a checkpoint, of the right root, and all are of one tree."""
    size = grow(catalog, logged.signer())
    heads = catalog.ledger_heads()
    assert [head.size for head in heads] == [sum(SIZES[: n + 1]) for n in range(len(SIZES))]
    for head in heads:
        tree = tlog.Tree(head.size, root(head.size))
        assert (open_tree(head.note, logged.KEY), open_checkpoint(head.checkpoint, logged.KEY)) == (tree, tree)
        proof = Log(catalog).consistency(head.size, size)
        tlog.check_tree(proof, size, root(size), head.size, head.root)
    assert catalog.ledger_head() == heads[-1]
    assert catalog.ledger_head(3) == heads[1]


def test_every_entry_is_proved(catalog):
    """Each entry has an inclusion proof in the newest head, and a lookup that Go's client would take."""
    grow(catalog, logged.signer())
    log, head = Log(catalog), catalog.ledger_head()
    for number in (0, 1, 255, 256, 511, 512, head.size - 1):
        entry = logged.entry(number)
        found = log.inclusion(entry.mv)
        tlog.check_record(found.proof, head.size, head.root, number, tlog.record_hash(entry.record))
        assert tlog.parse_record(log.lookup(entry.mv)) == (number, entry.record, head.note)


def test_appending_again_changes_nothing(catalog):
    """What is there with equal hashes is done: the same batch again, and again with something new."""
    batch = logged.entries(0, 5)
    assert catalog.ledger_append(batch, logged.signer()).new == 5
    again = catalog.ledger_append([*batch, *batch], logged.signer())
    assert (again.new, again.size, again.head, again.conflicts) == (0, 5, catalog.ledger_head(5), {})
    assert catalog.ledger_append([batch[0], logged.entry(5), logged.entry(5)], logged.signer()).new == 1
    assert [head.size for head in catalog.ledger_heads()] == [5, 6]


def test_other_hashes_are_a_conflict(catalog):
    """A version that is there with other hashes stays as it is, and is named; the rest of the batch goes in."""
    catalog.ledger_append(logged.entries(0, 2))
    done = catalog.ledger_append([logged.entry(1, content="other"), logged.entry(2)])
    assert (done.new, [entry.record for entry in done.conflicts.values()]) == (1, [logged.entry(1).record])
    assert catalog.ledger_entry(logged.entry(1).mv).record == logged.entry(1).record


def test_what_grew_unsigned_is_signed_later(catalog):
    """Without a key the log grows; the first who has one signs all of it, once."""
    catalog.ledger_append(logged.entries(0, 300))
    assert (catalog.ledger_head(), catalog.ledger_key()) == (None, None)
    assert Log(catalog).lookup(logged.entry(0).mv) is None
    catalog.ledger_append([], logged.signer())
    assert (catalog.ledger_head().size, catalog.ledger_key()) == (300, logged.KEY)
    catalog.ledger_append(logged.entries(300, 310))
    assert (catalog.ledger_head().size, Log(catalog).inclusion(logged.entry(305).mv)) == (300, None)
    catalog.ledger_append(logged.entries(310, 311), logged.signer())
    assert catalog.ledger_head().root == root(311)


def test_another_key_is_refused(catalog):
    """A ledger that was signed keeps its key: another one appends nothing, and the error says what to do."""
    catalog.ledger_append(logged.entries(0, 1), logged.signer())
    with pytest.raises(ConfigError, match="signed with the key") as error:
        catalog.ledger_append(logged.entries(1, 2), logged.signer(logged.OTHER_SECRET))
    assert "begin a new ledger" in error.value.hint
    assert catalog.ledger_size() == 1
    assert "PRIVATE" not in error.value.diagnostics()


def test_nothing_is_built_on_changed_tiles(catalog):
    """Who changes a hash at the right edge gets no signature under it: the last signed head contradicts."""
    catalog.ledger_append(logged.entries(0, 3), logged.signer())
    data = catalog.ledger_tiles([(0, 0)])[0, 0]
    with catalog._transaction() as connection:
        connection.execute(ledger_tiles.update().values(data=bytes(32) + data[32:]))
    with pytest.raises(IntegrityError, match="not those of the tree of 3 entries"):
        catalog.ledger_append(logged.entries(3, 4), logged.signer())
    assert catalog.ledger_size() == 3


APPENDER = """
import sys
from fakes import logged
from gopherwood.catalog import Catalog
first, url = int(sys.argv[1]), sys.argv[2]
with Catalog.open(url) as catalog:
    for start in range(0, 400, 8):  # each batch overlaps what the other appends
        catalog.ledger_append(logged.entries(start + first, start + first + 12), logged.signer())
"""


def test_two_publishers_make_one_log(catalog, catalog_url):
    """Two processes append a hundred batches that overlap: one log, each version once, every head of one tree."""
    processes = [
        subprocess.Popen([sys.executable, "-c", APPENDER, first, catalog_url], env={"PYTHONPATH": ":".join(sys.path)})
        for first in ("0", "4")
    ]
    assert [process.wait(100) for process in processes] == [0, 0]
    size = catalog.ledger_size()
    found = catalog.ledger_entries(0, size + 1)
    assert sorted(entry.record for entry in found) == sorted(entry.record for entry in logged.entries(0, size))
    assert [entry.number for entry in found] == list(range(size))
    stored = logged.stored_hashes(found)
    heads = catalog.ledger_heads()
    assert heads[-1].size == size
    for head in heads:
        tree = tlog.Tree(head.size, logged.root(stored, head.size))
        assert (open_tree(head.note, logged.KEY), head.root) == (tree, tree.hash)
