"""What was published since the last look: how lists in memory stay true without a question to the database a request.

Every publish takes the next sequence number in the transaction that makes it visible. One small query a worker and
half-second compares the last one; only modules that have something new are forgotten by memory.
"""

from gopherwood.catalog import Catalog

LOOK_EVERY_SECONDS = 0.5
MOST = 1000
"""Publishes between two looks up to which modules are forgotten one by one."""


class Published:
    """The last sequence number seen. Methods block, raise StorageError, and belong to one thread at a time."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.sequence = -1

    def look(self) -> set[str] | None:
        """Return the modules published into since the last look; None for "too many to name", as at the first look."""
        sequence = self.catalog.counter("published")
        if sequence == self.sequence:
            return set()
        first, after = self.sequence < 0, max(self.sequence, 0)
        self.sequence = sequence
        if first or sequence - after > MOST:
            return None
        return {entry.path for entry in self.catalog.published_since(limit=MOST + MOST, after=after)}
