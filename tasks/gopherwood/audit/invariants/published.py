"""What the catalog calls published: its files, its entry in the ledger, and the list that names it.

The catalog is read first and the store after it: whatever it acknowledged must be there by then.
"""

import threading
from collections.abc import Mapping, Sequence
from itertools import groupby

from gopherwood import pseudo, store
from gopherwood.audit.examine import Checked, as_logged, check, contradiction, examine
from gopherwood.audit.invariants.found import ACKNOWLEDGED, AGREE, GROW, HALF, UNCHANGED, Found
from gopherwood.catalog import Catalog, LedgerEntry, VersionRow
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects

PAGE = 1000
"""Versions looked at together, about: it bounds memory."""

MOST_STALE = 100_000
"""Lists that a publish under way may be about to write."""


def walk(catalog: Catalog, objects: Objects, found: Found, *, quick: bool, stop: threading.Event) -> bool:
    """Look at every published version and every list; False when told to end before all were seen."""
    with catalog.snapshot() as snapshot:
        for page in snapshot.published(PAGE):
            # As they are now, and not at the snapshot's moment: rows are only added to, and all of a module are wanted.
            rows = catalog.published_rows(sorted({row["path"] for row in page.rows}))
            logged = catalog.ledger_known([row.mv for row in rows])
            for path, of_it in groupby(rows, key=lambda row: row.mv.path):
                if stop.is_set():
                    return False
                versions = list(of_it)
                for row in versions:
                    _version(objects, row, logged, found, quick=quick)
                _list(catalog, objects, path, [row.mv.version for row in versions], found)
    return True


def _version(
    objects: Objects, row: VersionRow, logged: Mapping[ModuleVersion, LedgerEntry], found: Found, *, quick: bool
) -> None:
    entry = logged.get(row.mv)
    found.look(ACKNOWLEDGED)
    found.look(UNCHANGED)
    found.look(AGREE)
    for each in (_quick if quick else examine)(objects, as_logged(row, entry)).values():
        if (problem := each.finding) is not None:
            says = f"{problem.key} is {problem.kind}: {problem.found}; published was {problem.expected}"
            found.breaks(ACKNOWLEDGED, says)
    if says := contradiction(row, entry):
        assert entry is not None
        found.breaks(UNCHANGED, f"{row.mv}: the catalog says {says}, entry {entry.number} of the ledger says otherwise")
    if entry is None:
        found.breaks(AGREE, f"{row.mv} is published, and has no entry in the ledger")


def _quick(objects: Objects, row: VersionRow) -> dict[str, Checked]:
    """Compare the small files as always, and of a zip no more than its size."""
    small = {suffix: check(objects, row, suffix) for suffix in (".mod", store.MARK)}
    size = objects.size(store.key(row.mv, ".zip"))
    if size is None or size != row.facts.get("zip_size", size):
        return small | {".zip": check(objects, row, ".zip")}
    return small


def _list(catalog: Catalog, objects: Objects, path: str, versions: Sequence[str], found: Found) -> None:
    """Compare a list with what is published, and each name in it that is not with the store."""
    found.look(GROW)
    found.look(HALF)
    due = {version for version in versions if not pseudo.is_pseudo_version(version)}
    named = _read_list(objects, path)
    # Written anew between the two questions, it is whole on the second look; waiting to be, its path is noted.
    if due - named and path not in catalog.stale_lists(MOST_STALE) and (lost := due - _read_list(objects, path)):
        found.breaks(GROW, f"{store.list_key(path)} does not name {', '.join(sorted(lost)[:5])}")
    for version in sorted(named - due):
        mark = store.key(ModuleVersion(path, version), store.MARK)
        if objects.size(mark) is None:
            found.breaks(HALF, f"{store.list_key(path)} names {version}, and there is no {mark}")


def _read_list(objects: Objects, path: str) -> set[str]:
    try:
        return set(objects.read(store.list_key(path)).decode("utf-8", "replace").split())
    except MissingError:
        return set()
