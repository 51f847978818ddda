"""The tree heads of one database that we trust: a chain that only grows.

The newest head is in the catalog. Each step of the chain is also an object of the store that is created only once,
`sumdb/<name>/after/<n>`: of two workers that advance from the same head one wins, and the other has to prove its own
head against the winner's. So no two heads of the chain are ever unproved against each other, and the tiles for each
step are there (see the package's docstring).
"""

from collections.abc import Iterable
from typing import Protocol

from gopherwood import note, store, tlog
from gopherwood.errors import GopherwoodError, ImmutabilityError, ProofError, UpstreamError
from gopherwood.note import MalformedNoteError
from gopherwood.objects import Objects
from gopherwood.sumdb import evidence
from gopherwood.sumdb.setting import Database
from gopherwood.sumdb.tiles import Tiles
from gopherwood.tlog import EMPTY_HASH, HashReader, Tree


class HeadStore(Protocol):
    """The part of the catalog that keeps tree heads."""

    def tree_head(self, name: str) -> bytes | None:
        """Give the signed note of the newest trusted head."""

    def set_tree_head(self, name: str, size: int, note: bytes) -> bool:
        """Keep a head, unless the one kept is newer."""


class Head:
    """A tree head with the signed note that says it."""

    __slots__ = ("signed", "tree")

    def __init__(self, tree: Tree, signed: bytes) -> None:
        self.tree = tree
        self.signed = signed


def open_head(database: Database, signed: bytes) -> Head:
    """Check the signature of a tree head.

    Raises ProofError when it is not the database's, its subclass MalformedNoteError when it is no signed note.
    """
    try:
        text = note.open(signed, [database.verifier]).text
        return Head(tlog.parse_tree(text.encode()), signed)
    except MalformedNoteError:
        raise
    except ProofError as error:
        said = signed.decode("utf-8", "replace")
        raise ProofError(f"{database.name}: {error}", hint=f"it showed this tree head:\n{said}") from error


class Heads:
    """The chain of trusted heads of one database."""

    def __init__(self, database: Database, kept: HeadStore, objects: Objects) -> None:
        self._database = database
        self._kept = kept
        self._objects = objects

    def newest(self) -> Head:
        """Return the newest trusted head; the empty tree, unsigned, when there is none yet.

        Raises ProofError when the catalog keeps one that the database's key did not sign.
        """
        name = self._database.name
        signed = self._kept.tree_head(name)
        if signed is None:
            return Head(Tree(0, EMPTY_HASH), b"")
        try:
            return open_head(self._database, signed)
        except ProofError as error:
            hint = "the catalog was changed, or the key in GOPHERWOOD_SUMDB: a database with a new key needs a new name"
            said = signed.decode("utf-8", "replace")
            raise ProofError(
                f"{name}: the tree head that we trusted does not open: {error}", hint=f"{hint}\n{said}"
            ) from error

    def merge_all(self, heads: Iterable[Head], tiles: Tiles) -> dict[Tree, GopherwoodError]:
        """Merge many heads, the newest first; return those that could not be, and why.

        As with `merge`, the tiles of older ones are left to the caller's `flush`.
        """
        wrong: dict[Tree, GopherwoodError] = {}
        rest = sorted(heads, key=lambda head: head.tree)
        while rest:
            head = rest.pop()
            try:
                self.merge(head, tiles)
                break
            except (ProofError, UpstreamError) as error:
                wrong[head.tree] = error
        newest = self.newest()
        reader = _read_ahead(newest, rest, tiles)
        for head in rest:
            try:
                self._check(head, newest, tiles, reader)
            except (ProofError, UpstreamError) as error:
                tiles.discard()
                wrong[head.tree] = error
        return wrong

    def merge(self, head: Head, tiles: Tiles) -> None:
        """Check a head against the newest trusted one, and trust it if it is newer.

        A newer head is trusted only when the tiles that show it are durable; for an older one they are left to the
        caller's `flush`. Raises ProofError when one head does not follow from the other.
        """
        while True:
            newest = self.newest()
            older, newer = (newest, head) if newest.tree.n < head.tree.n else (head, newest)
            try:
                self._check(older, newer, tiles, tlog.tile_hash_reader(newer.tree, tiles))
            except ProofError:
                tiles.discard()
                raise
            if newer is newest:
                return
            tiles.flush()
            winner = self._follow(newest, head)
            self._kept.set_tree_head(self._database.name, winner.tree.n, winner.signed)

    def _follow(self, newest: Head, head: Head) -> Head:
        """Make the head the next of the chain; return what is next indeed."""
        key = store.tile_key(self._database.name, f"after/{newest.tree.n}")
        try:
            self._objects.create(key, head.signed)
        except ImmutabilityError:
            return open_head(self._database, self._objects.read(key))
        return head

    def _check(self, older: Head, newer: Head, tiles: Tiles, reader: HashReader) -> None:
        """Check that the older tree is the beginning of the newer one."""
        if older.tree == newer.tree:
            return
        if older.tree.n == newer.tree.n:
            raise self._contradiction(older, newer, "")
        try:
            if older.tree.n == 0:  # the first head ever: check its right edge, and have its tiles
                reader([tlog.stored_hash_index(0, newer.tree.n - 1)])
                return
            within = tlog.tree_hash(older.tree.n, reader)
        except ProofError as error:
            raise self._disproved(older, newer, tiles, error) from error
        if within != older.tree.hash:
            raise self._disproved(older, newer, tiles, None)

    def _disproved(self, older: Head, newer: Head, tiles: Tiles, error: ProofError | None) -> ProofError:
        """Make the error for a check that failed: a fork, or tiles that are of no tree that was signed.

        The database alone, without our own tiles, is asked to show that its newer tree begins otherwise. If what it
        gives is not of the newer tree either, nobody has shown a fork: a proxy on the way can forge tiles.
        """
        name, alone = self._database.name, tiles.unmirrored()
        reader = tlog.tile_hash_reader(newer.tree, alone)
        try:
            within = tlog.tree_hash(older.tree.n, reader) if older.tree.n else older.tree.hash
            if within == older.tree.hash and error:
                return evidence.bad_tiles(name, newer.signed, error, tiles.suspect())
            shown = [
                tlog.format_hash(value) for value in (within, *tlog.prove_tree(newer.tree.n, older.tree.n, reader))
            ]
        except ProofError as again:
            return evidence.bad_tiles(name, newer.signed, again, alone.suspect())
        except UpstreamError as withheld:
            if error and (suspect := tiles.suspect()):
                return evidence.bad_tiles(name, newer.signed, error, suspect)
            return self._contradiction(older, newer, f"It withholds what would show how: {withheld}")
        first = f"The first {older.tree.n} records of the newer tree have this hash, and its proof:"
        return self._contradiction(older, newer, "\n".join([first, *shown]))

    def _contradiction(self, older: Head, newer: Head, proof: str) -> ProofError:
        sides = (older.tree.n, older.signed), (newer.tree.n, newer.signed)
        return evidence.contradiction(self._database.name, *sides, proof)


def _read_ahead(newest: Head, older: Iterable[Head], tiles: Tiles) -> HashReader:
    """Read all that checking the older heads will ask for at once: lookups come with as many heads as caches have."""
    reader = tlog.tile_hash_reader(newest.tree, tiles)
    indexes = sorted({index for head in older for index in tlog.sub_tree_index(0, head.tree.n)})
    try:
        known = dict(zip(indexes, reader(indexes), strict=True))
    except (ProofError, UpstreamError):  # one bad tile must not be held against all
        return reader
    return lambda wanted: [known[index] for index in wanted]
