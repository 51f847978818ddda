"""What changed since the last look: how what is in memory stays true without a question to the database a request.

Every publish takes the next sequence number in the transaction that makes it visible, and every file that a scrub finds
damaged or heals counts as a change in the transaction that notes it. One small query a worker and half-second compares
both counters; only modules that have something new, and files that changed hands, are forgotten by memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gopherwood.catalog import Catalog, Damage

LOOK_EVERY_SECONDS = 0.5
MOST = 1000
"""Publishes between two looks up to which modules are forgotten one by one."""


@dataclass(frozen=True, slots=True)
class News:
    """What a look has found."""

    modules: set[str] | None
    """The modules published into; None for "too many to name", as at the first look."""
    damages: Sequence[Damage] = ()
    """Files that were found damaged, or healed."""


class Published:
    """The last numbers seen. Methods block, raise StorageError, and belong to one thread at a time."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.sequence = -1
        self.changes = 0

    def look(self) -> News:
        """Return what happened since the last look."""
        now = self.catalog.counters("published", "damages")
        damages = self.catalog.damages_since(self.changes) if now["damages"] != self.changes else []
        self.changes = now["damages"]
        return News(self._modules(now["published"]), damages)

    def _modules(self, sequence: int) -> set[str] | None:
        if sequence == self.sequence:
            return set()
        first, after = self.sequence < 0, max(self.sequence, 0)
        self.sequence = sequence
        if first or sequence - after > MOST:
            return None
        return {entry.path for entry in self.catalog.published_since(limit=MOST + MOST, after=after)}
