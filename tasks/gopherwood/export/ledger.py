"""Our own ledger as a log that an export proves records with: what we said of each version when we published it."""

from collections.abc import Mapping, Sequence

from gopherwood import note, tlog
from gopherwood.catalog import Catalog, LedgerHead
from gopherwood.errors import UpstreamError
from gopherwood.ledger.log import Log
from gopherwood.module import ModuleVersion
from gopherwood.note import Verifier
from gopherwood.tlog import Tile


class OwnLedger:
    """The ledger, as of one signed head."""

    def __init__(self, verifier: Verifier, head: LedgerHead, log: Log) -> None:
        self.verifier = verifier
        self.head = head.note
        self.said: Mapping[str, bytes] = {"latest": head.note, "supported": b"", "checkpoint": head.checkpoint}
        self._head = head
        self._log = log

    def record(self, mv: ModuleVersion) -> bytes | None:
        """Return a version's record; None when the head does not cover one."""
        found = self._log.inclusion(mv, self._head)
        return None if found is None else tlog.format_record(found.entry.number, found.entry.record)

    def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """Return tiles; raises UpstreamError for one that the log has not."""
        return [self._tile(tile) for tile in tiles]

    def _tile(self, tile: Tile) -> bytes:
        data = self._log.tile(tile)
        if data is None:
            raise UpstreamError(f"our ledger has no {tile.path()}")
        return data


def own_ledger(catalog: Catalog) -> OwnLedger | None:
    """Return our ledger; None before it has a key and a signed head."""
    log = Log(catalog)
    key, head = log.key(), log.head()
    return None if key is None or head is None else OwnLedger(note.new_verifier(key), head, log)
