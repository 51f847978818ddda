"""Verb `ledger verify`: walk the whole log, and compare it with everything that could contradict it.

Rows are hashed again and compared with the tiles, tiles with the tiles above them, every head that was ever signed with
its signature and with the tree of its size, every published version with its entry, every entry with its files in the
store, and the store's checkpoint with the tree. Each of these has one thing to say, so that a list of what is wrong
tells which of them was changed. An entry whose version is not visible is pending: its publisher died between the two,
and the next one goes on from there.
"""

import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from gopherwood import dirhash, store, tlog
from gopherwood.catalog import Catalog, LedgerEntry, LedgerHead
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_INTEGRITY, ConfigError, ContentError, ProofError
from gopherwood.ledger.append import stored_checkpoint, what_contradicts
from gopherwood.ledger.key import open_checkpoint, open_tree
from gopherwood.objects import MissingError, Objects
from gopherwood.tlog import HASH_SIZE, HEIGHT, WIDTH, Edge, Hash, Place

log = logging.getLogger(__name__)

PAGE = 16 * WIDTH
"""Entries looked at together: whole tiles."""

MOST = 1_000
"""Lines kept of what is wrong, and of what is pending; the rest is counted."""

TELL_SECONDS = 10.0
READERS = 8
"""Files hashed at once."""


@dataclass(slots=True)
class Verified:
    """What a walk found."""

    size: int = 0
    entries: int = 0
    """Entries that were looked at."""
    heads: int = 0
    files: int = 0
    """Versions whose files in the store were hashed again."""
    pending: int = 0
    """Entries of versions that are not visible yet."""
    wrong: int = 0
    found: list[str] = field(default_factory=list)
    """What is wrong, a line each; and the versions that are pending."""

    @property
    def exit_code(self) -> int:
        """3 when anything is wrong."""
        return EXIT_INTEGRITY if self.wrong else EXIT_DONE

    def is_wrong(self, says: str) -> None:
        """Note what is wrong."""
        self.wrong += 1
        self._note(f"wrong: {says}", self.wrong)

    def is_pending(self, entry: LedgerEntry) -> None:
        """Note an entry whose version is not visible."""
        self.pending += 1
        self._note(f"pending: entry {entry.number}, {entry.mv}, is not published yet", self.pending)

    def _note(self, line: str, number: int) -> None:
        if number <= MOST:
            self.found.append(line)

    def text(self) -> str:
        """Return it for people."""
        looked = f"{self.entries} of {self.size} entries, {self.heads} heads, {self.files} versions in the store"
        verdict = f"{self.wrong} WRONG" if self.wrong else "all is well"
        waiting = f", {self.pending} pending" if self.pending else ""
        return "\n".join([f"ledger verify: {looked}: {verdict}{waiting}", *(f"  {line}" for line in self.found)])


def run(
    settings: Settings, *, since: int = 0, with_store: bool = True, stop: threading.Event | None = None
) -> Verified:
    """Verify from entry `since` on, till the end or till `stop` is set. Raises StorageError when it cannot be read."""
    with Catalog.ready(settings) as catalog:
        objects = store.open_store(settings) if with_store else None
        return Walk(catalog, objects, stop or threading.Event()).run(since)


class Walk:
    """One walk over the log, whose size is what it is at the start: it may grow meanwhile."""

    def __init__(self, catalog: Catalog, objects: Objects | None, stop: threading.Event) -> None:
        self._catalog = catalog
        self._objects = objects
        self._stop = stop
        self._key = catalog.ledger_key() or ""
        self.result = Verified()

    def run(self, since: int) -> Verified:
        """Walk from the tile of entry `since` on."""
        extent = self._catalog.ledger_extent()
        size = self.result.size = extent.size
        if (extent.rows, extent.tiles) != (size, tlog.tile_count(size)):
            says = f"{extent.rows} rows and {extent.tiles} tiles are not those of {size} entries"
            self.result.is_wrong(says)
        start = min(since, size) // WIDTH * WIDTH
        self._walk(start, size)
        self._heads_beyond(size)
        self._check_unlogged()
        self._check_checkpoint()
        return self.result

    def _walk(self, start: int, size: int) -> None:
        try:
            edge = Edge(start, self._catalog.ledger_tiles(tlog.edge_widths(start)))
        except ProofError as error:
            self.result.is_wrong(f"{error}: looking at all of it")
            start, edge = 0, Edge(0, {})
        told = time.monotonic()
        while start < size and not self._stop.is_set():
            end = min(start + PAGE, size)
            self._page(start, end, edge)
            self.result.entries += end - start
            start = end
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                log.info("verifying", extra={"entry": start, "of": size, "wrong": self.result.wrong})

    def _page(self, start: int, end: int, edge: Edge) -> None:
        entries = {entry.number: entry for entry in self._catalog.ledger_entries(start, end - start)}
        hashes = self._leaves(start, end, entries)
        at = start
        for head in self._heads(start, end):
            edge.append(hashes[at - start : head.size - start])
            at = head.size
            self._check_head(head, edge)
        edge.append(hashes[at - start :])
        self._check_tiles({place: data for place, data in edge.take_changed().items() if place[0]})
        self._check_versions(start, end, entries)
        if self._objects is not None:
            self._check_files(list(entries.values()), self._objects)

    def _leaves(self, start: int, end: int, entries: dict[int, LedgerEntry]) -> list[Hash]:
        """Compare rows with the tiles of level 0; return the hashes that the tiles have, which heads are about."""
        tiles = self._catalog.ledger_tiles([(0, n) for n in range(start >> HEIGHT, (end + WIDTH - 1) >> HEIGHT)])
        hashes = []
        for number in range(start, end):
            at = number % WIDTH * HASH_SIZE
            value = tiles.get((0, number >> HEIGHT), b"")[at : at + HASH_SIZE]
            entry = entries.get(number)
            if len(value) != HASH_SIZE:
                self.result.is_wrong(f"entry {number}: its hash is not in tile {number >> HEIGHT} of level 0")
                value = b""
            if entry is None:
                self.result.is_wrong(f"entry {number}: its row is missing")
            elif value and tlog.record_hash(entry.record) != value:
                self.result.is_wrong(f"entry {number}: its row, of {entry.mv}, is not what the tree has")
            hashes.append(value or (tlog.record_hash(entry.record) if entry else tlog.EMPTY_HASH))
        return hashes

    def _heads(self, start: int, end: int) -> Iterator[LedgerHead]:
        """Yield the heads of more than `start` and at most `end` entries."""
        while heads := self._catalog.ledger_heads(after=start):
            for head in heads:
                if head.size > end:
                    return
                yield head
            start = heads[-1].size

    def _check_head(self, head: LedgerHead, edge: Edge) -> None:
        self.result.heads += 1
        tree = edge.tree()
        try:
            signed = {open_tree(head.note, self._key), open_checkpoint(head.checkpoint, self._key)}
        except (ProofError, ConfigError) as error:
            self.result.is_wrong(f"the head of {head.size} entries: {error}")
            return
        if signed != {tlog.Tree(head.size, head.root)}:
            self.result.is_wrong(f"the head of {head.size} entries is not what was signed")
        if signed != {tree}:
            self.result.is_wrong(f"the head of {head.size} entries: the tree of the tiles is another")

    def _check_tiles(self, computed: dict[Place, bytes]) -> None:
        """Compare tiles above level 0 with those below them."""
        kept = self._catalog.ledger_tiles(computed)
        for place, data in computed.items():
            if kept.get(place, b"")[: len(data)] != data:
                self.result.is_wrong(f"tile {place[1]} of level {place[0]} is not that of the tiles below it")

    def _check_versions(self, start: int, end: int, entries: dict[int, LedgerEntry]) -> None:
        published = self._catalog.ledger_published(start, end - start)
        for number, entry in entries.items():
            said = published.get(number)
            if said is None:
                self.result.is_pending(entry)
            elif not said.agrees(entry):
                self.result.is_wrong(f"entry {number}: the catalog has other hashes of {entry.mv}")

    def _check_files(self, entries: list[LedgerEntry], objects: Objects) -> None:
        with ThreadPoolExecutor(READERS, thread_name_prefix="verify") as pool:
            for entry, wrong in zip(entries, pool.map(lambda each: wrong_files(objects, each), entries), strict=True):
                self.result.files += 1
                for says in wrong:
                    self.result.is_wrong(f"entry {entry.number}: {says}")

    def _heads_beyond(self, size: int) -> None:
        """Find heads of more entries than there were when they were looked for; the log may have grown since."""
        for head in self._catalog.ledger_heads(after=size):
            if head.size > self._catalog.ledger_size():
                self.result.is_wrong(f"the head of {head.size} entries: there are {size}")

    def _check_unlogged(self) -> None:
        after = 0
        while missing := self._catalog.ledger_missing(after):
            for _, entry in missing:
                self.result.is_wrong(f"{entry.mv} is published, and has no entry")
            after = missing[-1][0]

    def _check_checkpoint(self) -> None:
        if self._objects is not None and self._key:
            kept = stored_checkpoint(self._objects, self._key)
            if kept and (says := what_contradicts(self._catalog, kept, self._key)):
                self.result.is_wrong(says)


def wrong_files(objects: Objects, entry: LedgerEntry) -> list[str]:
    """Return what is wrong with the files of an entry: both hashes are computed anew from the store's bytes."""
    wrong = []
    with tempfile.TemporaryDirectory(prefix="gopherwood-verify-") as scratch:
        for suffix, said in zip(store.CONTENT, (entry.h1, entry.go_mod_h1), strict=True):
            key = store.key(entry.mv, suffix)
            try:
                found = _hash(objects.fetch_to(key, Path(scratch)), suffix)
            except MissingError:
                wrong.append(f"{key} is not in the store")
            except ContentError as error:
                wrong.append(f"{key} is damaged: {error}")
            else:
                wrong += [] if found == said else [f"{key} hashes to {found}, not to {said}"]
    return wrong


def _hash(path: Path, suffix: str) -> str:
    return dirhash.hash_zip(path) if suffix == ".zip" else dirhash.hash_go_mod(path.read_bytes())
