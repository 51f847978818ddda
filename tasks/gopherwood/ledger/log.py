"""The ledger as its readers ask for it: records, tiles, bundles, proofs. No secret is needed, and nothing is written.

For serving and for monitors: everything that `go` reads of a checksum database, and what C2SP's tools read of a log.
Every answer is what it would be in any other order of asking; what a signed head does not cover yet is not there.
"""

from dataclasses import dataclass

from gopherwood import note, tlog
from gopherwood.catalog import Catalog, LedgerEntry, LedgerHead
from gopherwood.errors import UsageError
from gopherwood.module import ModuleVersion
from gopherwood.tlog import HASH_SIZE, HEIGHT, WIDTH, Hash, Tile


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That a tree holds an entry: the entry, the signed head, and the hashes from the entry up to its root."""

    entry: LedgerEntry
    head: LedgerHead
    proof: list[Hash]


class Log:
    """Answers questions about the ledger. Safe for threads; every method asks the catalog, and may block."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def key(self) -> str | None:
        """Return the public key, `NAME+HASH+KEY`: what GOSUMDB is to be. None before there is one."""
        return self._catalog.ledger_key()

    def name(self) -> str | None:
        """Return the ledger's name, which is its place below `/sumdb/`; None before it has a key."""
        key = self.key()
        return note.new_verifier(key).name if key else None

    def head(self, size: int | None = None) -> LedgerHead | None:
        """Return the newest signed head, or the one that was signed of exactly this size; None when there is none."""
        return self._catalog.ledger_head(size)

    def lookup(self, mv: ModuleVersion, head: LedgerHead | None = None) -> bytes | None:
        """Return the answer to `lookup/MODULE@VERSION`: number, record, blank line, signed head; None if it has none.

        A caller that keeps a head for a while passes it; an entry that it does not cover gets the newest.
        """
        entry = self._catalog.ledger_entry(mv)
        if entry is None:
            return None
        if head is None or head.size <= entry.number:
            head = self.head()
        if head is None or head.size <= entry.number:
            return None
        return tlog.format_record(entry.number, entry.record) + head.note

    def tile(self, tile: Tile) -> bytes | None:
        """Return a tile of hashes, or of records (level -1), of exactly its width; None when the log is not so long."""
        if tile.h != HEIGHT:
            return None
        if tile.l == -1:
            entries = self._entries(tile.n, tile.w)
            return None if entries is None else b"".join(tlog.format_record(e.number, e.record) for e in entries)
        data = self._catalog.ledger_tiles([(tile.l, tile.n)]).get((tile.l, tile.n), b"")[: tile.w * HASH_SIZE]
        return data if len(data) == tile.w * HASH_SIZE else None

    def bundle(self, n: int, width: int = WIDTH) -> bytes | None:
        """Return the C2SP entry bundle `tile/entries/N`, of exactly `width` entries; None when the log is shorter."""
        entries = self._entries(n, width)
        return None if entries is None else tlog.format_bundle(entry.record for entry in entries)

    def inclusion(self, mv: ModuleVersion, head: LedgerHead | None = None) -> Inclusion | None:
        """Prove that the ledger holds a version; None when it does not, or no head covers it yet."""
        head, entry = head or self.head(), self._catalog.ledger_entry(mv)
        if head is None or entry is None or entry.number >= head.size:
            return None
        return Inclusion(entry, head, tlog.prove_record(head.size, entry.number, self._catalog.ledger_hashes))

    def consistency(self, old: int, new: int) -> list[Hash]:
        """Prove that the tree of `new` entries begins with the tree of `old`.

        Raises UsageError unless 1 <= old <= new, and new is no more than there are.
        """
        if not 1 <= old <= new <= self._catalog.ledger_size():
            says = f"no proof leads from a tree of {old} to one of {new} entries"
            raise UsageError(says, hint="the old one has at least 1, and the new one no more than there are")
        return tlog.prove_tree(new, old, self._catalog.ledger_hashes)

    def _entries(self, n: int, width: int) -> list[LedgerEntry] | None:
        entries = self._catalog.ledger_entries(n * WIDTH, width)
        return entries if len(entries) == width else None
