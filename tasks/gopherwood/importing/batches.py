"""One batch of an import: lease the versions by name, stage them from the offer, validate and publish them.

The steps are those of `fetch`, `validate` and `publish`, and so are their rules, evidence and order of writes; only the
versions are chosen by name, and the checksum database is asked through the offer. A version that is published already
must have the offered hashes, else it is a conflict.
"""

import logging
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

from gopherwood import dirhash, fetch
from gopherwood.bundle import Offer, VersionLine
from gopherwood.catalog import Catalog, Event, Evidence, Job, Outcome, VersionRow, Wanted
from gopherwood.config import Settings
from gopherwood.errors import (
    BundleError,
    ConfigError,
    ContentError,
    DamagedError,
    ImmutabilityError,
    ProofError,
    UnverifiedError,
)
from gopherwood.http import Client
from gopherwood.importing.checksums import BUNDLE_RULE, ImportChecksums, Trust
from gopherwood.importing.result import Result
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.publish import Publisher
from gopherwood.staging import Staging
from gopherwood.states import State
from gopherwood.store import open_store
from gopherwood.upstream import OFF, Entry, Upstream
from gopherwood.validate import Validator

log = logging.getLogger(__name__)

SOURCE = "import"
OWNERS = "import-"
"""What the owners of an import's leases begin with: one import runs at a time, so that others' are of dead ones."""
AGAIN = frozenset({DamagedError.reason, UnverifiedError.reason, ProofError.reason})
"""Reasons for which the same offer may be refused now and taken later: another copy, another flag."""


class Importer:
    """Imports batch after batch; use it as a context manager, which gives back what it still holds."""

    def __init__(self, settings: Settings, offer: Offer, catalog: Catalog, result: Result) -> None:
        self._settings = settings
        self._offer = offer
        self._catalog = catalog
        self._owner = f"{OWNERS}{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._open = ExitStack()
        self.result = result

    @classmethod
    def open(cls, settings: Settings, offer: Offer, catalog: Catalog, trust: Trust, result: Result) -> Self:
        """Open all that importing needs. The caller holds the lock "import"."""
        importer = cls(settings, offer, catalog, result)
        with ExitStack() as stack:
            importer._staging = Staging(open_objects(settings.staging_url, mutable=True, settings=settings))
            stack.callback(importer._staging.close)
            upstream = _upstream(settings)
            stack.callback(upstream.close)
            checksums = ImportChecksums.begin(settings, upstream, catalog, open_store(settings), offer, trust)
            importer._validator = Validator(settings, catalog, importer._staging, checksums, importer._owner)
            importer._publisher = stack.enter_context(Publisher.open(settings, owner=importer._owner, catalog=catalog))
            importer._open = stack.pop_all()
        return importer

    _staging: Staging
    _validator: Validator
    _publisher: Publisher

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._open:
            self._catalog.release(self._owner)

    def batch(self, lines: Sequence[VersionLine], stop: threading.Event) -> None:
        """Bring in some versions; count what became of each."""
        before = self._catalog.rows_of([line.mv for line in lines])
        wanted = [line for line in lines if self._is_wanted(line, before.get(line.mv))]
        names = [line.mv for line in wanted]
        brought = [Wanted(mv, self._offer.why) for mv in names]
        seconds = self._settings.lease_seconds
        lease = {"owner": self._owner, "seconds": seconds, "heirs": OWNERS}
        self._stage(self._catalog.bring(brought, source=SOURCE, **lease), stop)  # type: ignore[arg-type]
        if jobs := self._catalog.claim("validate", names, **lease):  # type: ignore[arg-type]
            self._validator.check(jobs, stop)
        if jobs := self._catalog.claim("publish", names, **lease):  # type: ignore[arg-type]
            self._publisher.publish(jobs)
        after = self._catalog.rows_of(names)
        for line in wanted:
            self._count(after.get(line.mv), line.mv)

    def finish(self) -> None:
        """Write the version lists that an import did not come to which was killed behind its last version."""
        self._publisher.write_lists()

    def _is_wanted(self, line: VersionLine, row: VersionRow | None) -> bool:
        """Tell whether there is anything to do for a version; count it, if not."""
        if row is None:
            return True
        if row.state is State.PUBLISHED:
            self._compare(line, row)
            return False
        refused_before = row.state is State.REJECTED and row.why == self._offer.why and row.reason not in AGAIN
        if refused_before or row.state is State.HELD:
            self._count(row, line.mv)
            return False
        return True

    def _compare(self, line: VersionLine, row: VersionRow) -> None:
        """Count a version that is published: the same again, or other content under its name."""
        ours = (row.facts.get("h1"), row.facts.get("go_mod_h1"))
        if (line.h1, line.go_mod_h1) == ours or self._hashes(line) == ours:
            self.result.already += 1
            return
        detail = "it is published with other content than the import brings"
        log.error("conflict", extra={"mv": str(line.mv), "detail": detail})
        payload = {"detail": detail, "h1": row.facts.get("h1"), "offered_h1": line.h1, "from": self._offer.why}
        self._catalog.emit(Event("conflict", str(line.mv), payload))
        self.result.refuse(line.mv, ImmutabilityError.reason, detail)

    def _hashes(self, line: VersionLine) -> tuple[str, str]:
        """Return the hashes of a version's content; of a bundle's, what its manifest says."""
        if line.files:
            return line.h1, line.go_mod_h1
        go_mod_h1 = dirhash.hash_go_mod(self._offer.mod(line.mv))
        with tempfile.TemporaryDirectory(prefix="gopherwood-import-") as folder:
            path = Path(folder) / "zip"
            try:
                self._offer.zip_to(line.mv, path)
                return dirhash.hash_zip(path), go_mod_h1
            except ContentError:
                return "", go_mod_h1

    def _stage(self, jobs: Sequence[Job], stop: threading.Event) -> None:
        """Copy the files of leased versions into staging."""
        outcomes = []
        for job in jobs:
            if stop.is_set():
                break
            outcomes.append(self._download(job))
        self._catalog.finish(outcomes)
        if stop.is_set():
            self._catalog.release(self._owner)

    def _download(self, job: Job) -> Outcome:
        try:
            outcome = fetch.download(job, self._offer, self._staging)
        except (DamagedError, BundleError) as error:
            log.error("integrity", extra={"mv": str(job.mv), "reason": error.reason, "detail": str(error)})
            event = Event("integrity", str(job.mv), {"reason": DamagedError.reason, "detail": str(error)})
            outcome = Outcome(
                job=job, state=State.REJECTED, reason=DamagedError.reason, detail=str(error), events=(event,)
            )
        if outcome.state is State.STAGED:
            return outcome
        said = Evidence(BUNDLE_RULE, False, f"{self._offer.why}: {outcome.detail}")
        return replace(outcome, evidence=(said,))

    def _count(self, row: VersionRow | None, mv: ModuleVersion) -> None:
        """Count what became of a version."""
        if row is not None and row.state is State.PUBLISHED:
            self.result.imported += 1
        elif row is not None and row.state in (State.REJECTED, State.HELD):
            self.result.refuse(mv, row.reason, row.detail)
        else:
            self.result.left += 1


def _upstream(settings: Settings) -> Upstream:
    """Return the upstream through which the checksum database may be asked; where there is none, none is needed."""
    try:
        return Upstream.from_settings(settings)
    except ConfigError:
        return Upstream([Entry(OFF)], Client(settings))
