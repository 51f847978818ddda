"""Verb `import`: publish what a bundle or a plain tree brings, after every check that anything else must pass.

The signature comes first: a bundle that no known key signed is refused whole, unless `--unsigned` is said. Then the
tree head of the checksum database that came along. Then batch after batch goes the way of all else: staging, validate,
publish. Run it again after a crash, a full disk or Ctrl-C: what is published is passed over, the rest goes on. One
import runs at a time; a second one waits.
"""

import logging
import threading
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from gopherwood import bundle
from gopherwood.bundle import Keys, Offer
from gopherwood.catalog import Catalog, Event
from gopherwood.config import Settings
from gopherwood.errors import ProofError
from gopherwood.importing.batches import Importer
from gopherwood.importing.checksums import Trust
from gopherwood.importing.result import Result

__all__ = ["Result", "run"]

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    source: Path,
    *,
    keys: Sequence[str] = (),
    unsigned: bool = False,
    unverified: bool = False,
    stop: threading.Event | None = None,
) -> Result:
    """Import a bundle or a plain tree until all is done or `stop` is set.

    `keys` are verifier keys beside those of the settings. Raises UsageError for what is nothing of the kind;
    BundleError and ProofError, before anything is imported, for one that is not to be trusted; StorageError when ours
    fails.
    """
    stop = stop or threading.Event()
    known = Keys.read([*keys, *settings.import_keys.split()], unsigned=unsigned)
    offer = bundle.open_offer(source, known)
    try:
        with Catalog.ready(settings) as catalog, catalog.lock("import"):
            return _import(settings, offer, catalog, unverified, stop)
    finally:
        offer.close()


def _import(settings: Settings, offer: Offer, catalog: Catalog, unverified: bool, stop: threading.Event) -> Result:
    result = Result(offer.name, offer.signed_by, skipped=offer.incomplete)
    trust = Trust(offer.signed_by, unverified)
    try:
        with Importer.open(settings, offer, catalog, trust, result) as importer:
            lines = offer.versions()
            while batch := list(islice(lines, settings.batch)):
                if stop.is_set():
                    result.left += len(batch) + sum(1 for _ in lines)
                    break
                importer.batch(batch, stop)
                offer.forget()
            importer.finish()
    except ProofError as error:
        catalog.emit(Event("integrity", offer.name, {"reason": error.reason, "detail": error.diagnostics()}))
        raise
    if result.imported or result.refused:
        counts = {"imported": result.imported, "refused": result.refused, "already": result.already}
        catalog.emit(Event("imported", offer.name, {"from": offer.why, "signed_by": offer.signed_by, **counts}))
    return result
