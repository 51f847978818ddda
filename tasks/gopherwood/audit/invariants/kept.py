"""What is kept beside versions: leftovers of the dead, the ledger as a whole, and the jobs of the queue."""

import threading
from dataclasses import dataclass

from gopherwood import tlog
from gopherwood.audit.invariants.found import AGREE, CONSERVED, TIDY, UNCHANGED, Found
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import ProofError
from gopherwood.ledger import verify
from gopherwood.ledger.append import stored_checkpoint, what_contradicts
from gopherwood.objects import Objects, open_objects
from gopherwood.staging import Staging, garbage_seconds

SWEEPS = 2
"""Sweeps are as far apart as garbage is old: what is older than two of them was missed by one."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What a platform had acknowledged at one moment."""

    versions: int
    """Versions that were ever wanted."""
    published: int
    """The last sequence number."""
    ledger: int
    """Entries of the ledger."""
    root: str
    """The root of its tree, in base64."""


def witness(catalog: Catalog) -> Witness:
    """Return the witness of now."""
    with catalog.snapshot() as snapshot:
        wanted, last = snapshot.one("versions"), snapshot.extent()[1]
        size = snapshot.one("ledger")
    return Witness(wanted, last, size, _root(catalog, size))


def leftovers(settings: Settings, catalog: Catalog, objects: Objects, found: Found) -> None:
    """Look for what dead writers left, and nobody has swept since."""
    older_than = SWEEPS * garbage_seconds(settings)
    staging = Staging(open_objects(settings.staging_url, mutable=True, settings=settings))
    old = [f"{objects.url}: {name}" for name in objects.leftovers(older_than)]
    old += [f"{staging.objects.url}: {name}" for name in staging.objects.leftovers(older_than)]
    old += [f"{staging.objects.url}: {token}" for token in sorted(staging.forgotten(catalog.live_tokens(), older_than))]
    found.look(TIDY, 1 + len(old))
    for name in old:
        found.breaks(TIDY, f"{name} is older than {older_than / 3600:.0f} h, and nobody needs it")


def ledger(catalog: Catalog, objects: Objects, found: Found, before: Witness | None, stop: threading.Event) -> None:
    """Verify the log as a whole, against its heads, the store's checkpoint, and what a witness saw."""
    verified = verify.Walk(catalog, None, stop).run(0)
    found.look(UNCHANGED, verified.heads)
    for line in verified.found:
        if line.startswith("wrong: ") and "has no entry" not in line and "the catalog has other hashes" not in line:
            found.breaks(UNCHANGED, f"ledger: {line.removeprefix('wrong: ')}")
    key = catalog.ledger_key() or ""
    kept = stored_checkpoint(objects, key) if key else None
    if kept and (says := what_contradicts(catalog, kept, key)):
        found.breaks(UNCHANGED, says)
    if before is not None:
        found.look(UNCHANGED)
        if before.ledger > verified.size or _root(catalog, before.ledger) != before.root:
            found.breaks(UNCHANGED, f"the first {before.ledger} entries of the ledger are not those that were seen")
    with catalog.snapshot() as snapshot:
        for row in snapshot.unlogged():
            state = row["state"] or "unknown to the catalog"
            found.breaks(AGREE, f"entry {row['number']} of the ledger, {row['path']}@{row['version']}, is {state}")


def jobs(catalog: Catalog, found: Found, before: Witness | None) -> None:
    """Count the rows of the queue in every way that must give the same number."""
    with catalog.snapshot() as snapshot:
        wanted = snapshot.one("versions")
        found.look(CONSERVED, wanted)
        published, last = snapshot.extent()
        numbers = {name: snapshot.one(name) for name in ("counter", "stateless", "ownerless", "evidence_orphans")}
    if not published == last == numbers["counter"]:
        says = f"{published} versions are published, the last number is {last}, {numbers['counter']} were given"
        found.breaks(CONSERVED, says)
    if numbers["stateless"]:
        found.breaks(CONSERVED, f"{numbers['stateless']} versions are in no state that there is")
    if numbers["ownerless"]:
        found.breaks(CONSERVED, f"{numbers['ownerless']} versions are leased, and by nobody")
    if numbers["evidence_orphans"]:
        found.breaks(CONSERVED, f"{numbers['evidence_orphans']} versions have evidence, and are not there any more")
    if before is not None and (wanted < before.versions or last < before.published):
        says = f"{wanted} versions are known and {last} published, {before.versions} and {before.published} were"
        found.breaks(CONSERVED, says)


def _root(catalog: Catalog, size: int) -> str:
    try:
        return tlog.format_hash(tlog.tree_hash(size, catalog.ledger_hashes))
    except ProofError:
        return ""  # of a tree with holes; `verify` says where
