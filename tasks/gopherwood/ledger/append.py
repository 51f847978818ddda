"""How the ledger grows: under one lock, after a look at what the store remembers of it.

The catalog alone keeps the log, so a catalog that comes back from an old backup would go on from there, and sign a
second history. Hence the store keeps the newest checkpoint: a derived file, replaced after each commit. Before an
append it must be of a tree with which ours begins; if it is of a larger tree, or of another, nothing is appended, the
evidence goes into the outbox, and a person is called.
"""

import logging
from collections.abc import Sequence

from gopherwood import note, store, tlog
from gopherwood.catalog import Appended, Catalog, Event, LedgerEntry
from gopherwood.catalog.ledger import CAUGHT_UP
from gopherwood.config import Settings
from gopherwood.errors import IntegrityError, ProofError
from gopherwood.ledger.key import Signer, find_signer, open_checkpoint
from gopherwood.objects import MissingError, Objects

log = logging.getLogger(__name__)

BATCH = 1_000
"""Entries appended at once of what was published before there was a ledger."""

_HINT = """nothing is appended: the catalog was restored from an old backup, or two catalogs publish into this store.
Both heads are in the catalog's event `integrity`; what to do is in docs/ledger.md"""


class Appender:
    """Appends to the ledger; any number may, on all machines. Not safe for threads."""

    def __init__(self, catalog: Catalog, objects: Objects, signer: Signer | None) -> None:
        self._catalog = catalog
        self._objects = objects
        self._signer = signer
        self._kept: bytes | None = None
        """The checkpoint in the store, once it was found to be of our own tree."""

    @classmethod
    def from_settings(cls, settings: Settings, catalog: Catalog, objects: Objects) -> "Appender":
        """Make one that signs if a key is configured; raises ConfigError for a malformed one."""
        return cls(catalog, objects, find_signer(settings))

    def append(self, entries: Sequence[LedgerEntry]) -> Appended:
        """Append what the ledger has not, durably, and sign it; see Catalog.ledger_append.

        Raises IntegrityError when the ledger is not the one that the store remembers.
        """
        with self._catalog.lock("ledger"):
            key = self._key()
            kept = self._check_store(key) if key else None
            done = self._catalog.ledger_append(entries, self._signer)
            if key and done.head and done.head.checkpoint != kept:
                self._objects.replace(_place(key), done.head.checkpoint)
                self._kept = done.head.checkpoint
        return done

    def catch_up(self) -> int:
        """Append what was published before there was a ledger, and sign what grew unsigned; return how many are new.

        Cheap when there is nothing to do. Raises ConfigError when the key that is configured is not the ledger's.
        """
        if self._signer and self._catalog.ledger_key() != self._signer.key:
            self._catalog.set_ledger_key(self._signer.key)
        published, after = self._catalog.counter("published"), int(self._catalog.cursor(CAUGHT_UP) or 0)
        new = 0
        while published > after:
            missing = self._catalog.ledger_missing(after, BATCH)
            if missing:
                new += self.append([entry for _, entry in missing]).new
            after = missing[-1][0] if len(missing) == BATCH else max(published, after)
            self._catalog.set_cursor(CAUGHT_UP, str(after))
        if new:
            log.info("ledger caught up", extra={"entries": new})
        if self._signer and self._catalog.ledger_size() > self._signed_size():
            self.append([])
        return new

    def _signed_size(self) -> int:
        head = self._catalog.ledger_head()
        return head.size if head else 0

    def _key(self) -> str | None:
        """Return the ledger's public key: who cannot sign still sees to it that the log is the right one."""
        return self._signer.key if self._signer else self._catalog.ledger_key()

    def _check_store(self, key: str) -> bytes | None:
        """Return the checkpoint in the store, None when there is none yet; raises IntegrityError unless it is ours."""
        kept = stored_checkpoint(self._objects, key)
        if kept is not None and kept != self._kept:
            if says := what_contradicts(self._catalog, kept, key):
                raise self._contradiction(kept, says)
            self._kept = kept
        return kept

    def _contradiction(self, kept: bytes, says: str) -> IntegrityError:
        """Put the evidence into the outbox, and make the error."""
        head = self._catalog.ledger_head()
        heads = {"store": kept.decode(errors="replace"), "catalog": head.checkpoint.decode() if head else ""}
        self._catalog.emit(Event("integrity", "ledger", {"detail": says, **heads}))
        return IntegrityError(f"the ledger contradicts its past: {says}", hint=_HINT)


def stored_checkpoint(objects: Objects, key: str) -> bytes | None:
    """Return what the store remembers of the ledger with this public key; None when it has seen none."""
    try:
        return objects.read(_place(key))
    except MissingError:
        return None


def what_contradicts(catalog: Catalog, kept: bytes, key: str) -> str:
    """Return in which way the checkpoint in the store is not of the ledger's own past; "" when it is."""
    size = catalog.ledger_size()
    try:
        tree = open_checkpoint(kept, key)
    except ProofError as error:
        return f"the checkpoint in the store is none of ours: {error}"
    if tree.n > size:
        return f"the store has seen a ledger of {tree.n} entries, ours has {size}"
    try:
        ours = tlog.tree_hash(tree.n, catalog.ledger_hashes)
    except ProofError as error:
        return f"the tree of {tree.n} entries, which the store has seen, is damaged: {error}"
    return "" if ours == tree.hash else f"the store has seen another ledger of {tree.n} entries"


def _place(key: str) -> str:
    return store.checkpoint_key(note.new_verifier(key).name)
