"""What the store shows: every mark with all its parts, and no version that nobody is bringing in.

The names are walked in pieces, so memory is bounded, and each suspicion is looked at once more: a mark is written last,
so whatever it promises was there before it.
"""

import threading
from collections import defaultdict

from gopherwood import store
from gopherwood.audit.invariants.found import AGREE, CLEAN, HALF, Found
from gopherwood.audit.names import BATCH, YOUNG_SECONDS, unpublished
from gopherwood.catalog import Catalog, LedgerEntry, VersionRow
from gopherwood.ledger.verify import wrong_files
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects
from gopherwood.states import OPEN, State
from gopherwood.store import BESIDE, Name, name_of


def walk(catalog: Catalog, objects: Objects, found: Found, *, stop: threading.Event) -> bool:
    """Look at every name in the store; False when told to end before all were seen."""
    batch: dict[str, Name | None] = {}
    for key in objects.keys(""):
        if not key.startswith(BESIDE):
            batch[key] = name_of(key)
        if len(batch) >= BATCH:
            _look(catalog, objects, batch, found)
            batch.clear()
            if stop.is_set():
                return False
    _look(catalog, objects, batch, found)
    return True


def _look(catalog: Catalog, objects: Objects, batch: dict[str, Name | None], found: Found) -> None:
    parts: dict[ModuleVersion, set[str]] = defaultdict(set)
    for key, name in batch.items():
        if name is not None and name[1]:
            parts[ModuleVersion(*name)].add("." + key.rpartition(".")[2])
    marked = [mv for mv, suffixes in parts.items() if store.MARK in suffixes]
    rows = catalog.rows_of(marked)
    logged = catalog.ledger_known(marked)
    for mv in marked:
        found.look(HALF)
        lost = [each for each in store.CONTENT if each not in parts[mv] and objects.size(store.key(mv, each)) is None]
        if lost:
            found.breaks(HALF, f"{store.key(mv, store.MARK)} is there, and there is no {', '.join(lost)}")
        _unacknowledged(objects, mv, rows.get(mv), logged.get(mv), found, whole=not lost)
    for key in unpublished(objects, catalog, batch, YOUNG_SECONDS):
        found.breaks(AGREE, f"{key} is in the store, and nobody published it")


def _unacknowledged(
    objects: Objects, mv: ModuleVersion, row: VersionRow | None, entry: LedgerEntry | None, found: Found, *, whole: bool
) -> None:
    """Judge a version that is visible in the store and that the catalog does not call published."""
    if row is not None and row.state is State.PUBLISHED:
        return
    found.look(CLEAN)
    state = "unknown to the catalog" if row is None else row.state.value
    if entry is None:
        found.breaks(CLEAN, f"{mv} is {state}, visible in the store, and has no entry in the ledger")
    elif row is None or row.state not in OPEN:
        found.breaks(CLEAN, f"{mv} is {state}, and visible in the store")
    elif whole:
        for says in wrong_files(objects, entry):
            found.breaks(CLEAN, f"{mv} is {state}, and visible in the store: {says}")
