"""The part `names`: files in the store that nobody published.

Such a file is reported and left where it is. It may be what a catalog that was restored from yesterday has forgotten;
then it is content, and only a person can tell. A publish under way is no such thing: its version is on the queue, and
its files are young. What lies beside the modules (the mirrored checksum databases, our ledger, usage) is not looked at.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable

from gopherwood.audit.examine import Kind
from gopherwood.catalog import Catalog
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects
from gopherwood.states import OPEN
from gopherwood.store import BESIDE, Name, name_of

YOUNG_SECONDS = 3600.0
"""How old a file is before it is called extra, unless a run says otherwise."""

BATCH = 1000
"""Names between two questions to the catalog."""


def extras(objects: Objects, catalog: Catalog, *, young_seconds: float, beat: Callable[[], bool]) -> list[str] | None:
    """Return the keys that nobody published; None when `beat`, called between two batches, said to stop."""
    found: list[str] = []
    batch: dict[str, Name | None] = {}
    for key in objects.keys(""):
        if not key.startswith(BESIDE):
            batch[key] = name_of(key)
        if len(batch) >= BATCH:
            found += unpublished(objects, catalog, batch, young_seconds)
            batch.clear()
            if not beat():
                return None
    return found + unpublished(objects, catalog, batch, young_seconds)


def settle_extras(objects: Objects, catalog: Catalog, found: Iterable[str]) -> int:
    """Note new extra files, and close those that are gone or published by now; return how many are open."""
    now = set(found)
    for damage in catalog.open_damages():
        if damage.kind == Kind.EXTRA and damage.path not in now:
            gone = objects.size(damage.path) is None
            catalog.healed(damage, "it was taken away" if gone else "it is published by now")
    for key in sorted(now):
        says = f"{objects.size(key)} bytes"
        catalog.record_damage(key, "", "", kind=Kind.EXTRA, expected="no such file", found=says)
    return len(now)


def unpublished(objects: Objects, catalog: Catalog, batch: dict[str, Name | None], young: float) -> list[str]:
    """Return the keys of these that nobody published, and nobody is about to; `batch` has what each is a file of."""
    names = {name for name in batch.values() if name}
    published: dict[str, set[str]] = defaultdict(set)
    for path, versions in catalog.listed(sorted({path for path, _ in names})).items():
        published[path] |= {*versions, ""} if versions else set()
    strange = [key for key, name in batch.items() if name is None or name[1] not in published[name[0]]]
    return [key for key in strange if not _is_under_way(objects, catalog, key, batch[key], young)]


def _is_under_way(objects: Objects, catalog: Catalog, key: str, name: Name | None, young: float) -> bool:
    """Tell whether a publish may be about to make a file what it is: its version is on the queue, or it is young."""
    if name is not None and name[1]:
        row = catalog.state_of(ModuleVersion(*name))
        if row is not None and (row.state in OPEN or row.published_at is not None):
            return True
    try:
        return time.time() - objects.modified(key) < young
    except MissingError:
        return True
