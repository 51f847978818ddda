"""Entries for the ledger, a key that is the same in every run, and the tree computed the slow way."""

from collections.abc import Iterable

from gopherwood import note, tlog
from gopherwood.catalog import LedgerEntry
from gopherwood.ledger.key import Signer
from gopherwood.module import ModuleVersion

SECRET, KEY = note.generate_key("ledger.example/log", bytes(range(32)))
OTHER_SECRET, OTHER_KEY = note.generate_key("ledger.example/log", bytes(32))
NAME = "ledger.example/log"


def signer(secret: str = SECRET) -> Signer:
    """Return the signer of a secret."""
    return Signer(note.new_signer(secret))


def entry(number: int, *, content: str = "") -> LedgerEntry:
    """Return the entry of a version that nobody has; `content` makes other hashes."""
    mv = ModuleVersion(f"example.com/m{number % 7}", f"v1.{number}.0")
    return LedgerEntry(mv, f"h1:{number:040}{content}=", f"h1:{number:040}mod{content}=")


def entries(start: int, stop: int) -> list[LedgerEntry]:
    """Return many entries."""
    return [entry(number) for number in range(start, stop)]


def stored_hashes(found: Iterable[LedgerEntry]) -> list[bytes]:
    """Return the stored hashes of a log of these entries, computed one after the other."""
    stored: list[bytes] = []

    def read(indexes: Iterable[int]) -> list[bytes]:
        return [stored[index] for index in indexes]

    for number, each in enumerate(found):
        stored += tlog.stored_hashes(number, each.record, read)
    return stored


def root(stored: list[bytes], size: int) -> bytes:
    """Return the root of the first `size` entries."""
    return tlog.tree_hash(size, lambda indexes: [stored[index] for index in indexes])
