"""Requests for what we do not have, noted for the next ingestion: in batches, off the path of the request.

Deduplicated and bounded twice: here, for the seconds between two batches, and in the catalog. `go` asks for the list of
every prefix of an import path; what cannot be a module on a well-known host is not noted.
"""

from gopherwood.catalog import SUMDB_MISS, Catalog
from gopherwood_serving.routes import Route

MOST_PENDING = 10_000
"""Misses held between two batches; beyond that a flood is dropped, and counted."""
ALWAYS_TWO_SEGMENTS_BELOW = frozenset({"bitbucket.org", "codeberg.org", "gitee.com", "github.com", "gitlab.com"})
"""Hosts whose modules are at <host>/<owner>/<repository> or deeper."""


class Misses:
    """What was asked for in vain since the last batch. `note` and `take` belong to one thread."""

    def __init__(self) -> None:
        self.noted = 0
        self.dropped = 0
        self._pending: set[tuple[str, str]] = set()

    def note(self, route: Route) -> None:
        """Remember the request, unless no module can have that path."""
        host, _, rest = route.path.partition("/")
        if not route.fetches or (host in ALWAYS_TWO_SEGMENTS_BELOW and "/" not in rest):
            return
        self._note((route.path, route.version))

    def note_tile(self, database: str, path: str) -> None:
        """Remember that a tile of a mirrored checksum database was asked for, which is not mirrored."""
        self._note((f"{SUMDB_MISS}{database}", path))

    def _note(self, asked: tuple[str, str]) -> None:
        if asked in self._pending:
            return
        if len(self._pending) >= MOST_PENDING:
            self.dropped += 1
            return
        self._pending.add(asked)
        self.noted += 1

    def take(self) -> set[tuple[str, str]]:
        """Return what is pending, and start anew."""
        taken, self._pending = self._pending, set()
        return taken


def write(catalog: Catalog, taken: set[tuple[str, str]]) -> None:
    """Write one batch into the catalog; blocks. Raises StorageError, and then the batch is lost."""
    if taken:
        catalog.record_misses(sorted(taken))
