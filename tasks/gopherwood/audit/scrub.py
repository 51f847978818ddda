"""`audit --scrub`: re-hash published files and compare them with the catalog."""

import logging
import threading
from dataclasses import dataclass

from gopherwood import store
from gopherwood.audit.examine import examine
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_INTEGRITY

log = logging.getLogger(__name__)

MODULES = 20
"""Modules looked at between two looks at the catalog."""


@dataclass(slots=True)
class Scrubbed:
    """What a scrub has looked at, and what it found."""

    versions: int = 0
    bytes: int = 0
    damaged: int = 0

    @property
    def exit_code(self) -> int:
        """3 when a file is not what was published."""
        return EXIT_INTEGRITY if self.damaged else EXIT_DONE


def run(settings: Settings, *, stop: threading.Event) -> Scrubbed:
    """Examine every published version, until `stop` is set between two files."""
    result = Scrubbed()
    objects = store.open_store(settings)
    with Catalog.ready(settings) as catalog:
        paths = catalog.paths()
        for start in range(0, len(paths), MODULES):
            for row in catalog.published_rows(paths[start : start + MODULES]):
                if stop.is_set():
                    return result
                done = examine(objects, row)
                result.versions += 1
                result.bytes += done.bytes
                result.damaged += len(done.findings)
                for finding in done.findings:
                    what = {"mv": str(row.mv), "key": finding.key, "kind": finding.kind, "found": finding.found}
                    log.error("damaged", extra=what)
    return result
