"""`audit --origin`: look back at where published versions came from, as far as it is due.

First, versions published since the last run get a row (`origins` in the catalog): their origin as the `.info` or a
well-known path says; go-get meta is asked when their turn comes. Then threads lease what is due, one repository at a
time, ask it once, and write down what it says of each version. Any number of processes may do so. Ended by SIGTERM, a
look under way is given up and its rows given back; after a SIGKILL their lease ends by itself. What is published stays
as it is, and is served: a finding is for people, and makes no run fail. docs/audit.md
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from gopherwood import origin, store, toolchain
from gopherwood.audit import schedule
from gopherwood.audit.evidence import Evidence
from gopherwood.audit.hosts import PAUSE, Hosts
from gopherwood.audit.judge import Judge
from gopherwood.catalog import Catalog, Finding, Look, NewOrigin
from gopherwood.config import Settings
from gopherwood.ends import as_they_end
from gopherwood.errors import EXIT_DONE, EXIT_NOTHING_TO_DO, StoppedError
from gopherwood.http import Client

log = logging.getLogger(__name__)

THREADS = 8
"""Repositories that are looked at together at most."""
TRIES = 2
"""Times we ask before a repository is unreachable for now; the catalog waits for the next try."""
SHOWN = 50
"""Changes that the text form names; the catalog has all."""


@dataclass(slots=True)
class LookedBack:
    """What a run has looked at, and what it found."""

    versions: int = 0
    repositories: int = 0
    """Repositories asked; one that is asked for two shares of its versions counts twice."""
    taken_up: int = 0
    """Versions that were published since the last run, and are looked at when they are due."""
    findings: dict[str, int] = field(default_factory=dict)
    changes: list[dict[str, str]] = field(default_factory=list)
    """What is not as it was at the last look."""

    @property
    def exit_code(self) -> int:
        """99 when nothing was due. A moved tag does not fail a run."""
        return EXIT_DONE if self.versions else EXIT_NOTHING_TO_DO

    def text(self) -> str:
        """Return the counts, and a line for each change."""
        if not self.versions:
            return f"audit: nothing is due ({self.taken_up} versions taken up)"
        found = ", ".join(f"{count} {finding}" for finding, count in sorted(self.findings.items()))
        lines = [f"audit: looked at {self.versions} versions in {self.repositories} repositories: {found}"]
        lines += [f"  {each['finding']:<18}  {each['module']}  {each['detail']}" for each in self.changes[:SHOWN]]
        more = len(self.changes) - SHOWN
        return "\n".join([*lines, *([f"  and {more} more"] if more > 0 else [])])


def run(
    settings: Settings,
    *,
    limit: int | None = None,
    seconds: float | None = None,
    stop: threading.Event,
    pause: float = PAUSE,
) -> LookedBack:
    """Look at what is due: at most `limit` versions, beginning none after `seconds`.

    Raises ConfigError without a git command, StorageError when catalog or store fail.
    """
    private = toolchain.patterns("GOPRIVATE")
    with (
        Catalog.ready(settings) as catalog,
        Client(settings, tries=TRIES) as client,
        origin.Git(settings.timeout, stop) as git,
    ):
        remote = origin.Remote(git, client)
        evidence = Evidence(store.open_store(settings), git, remote)
        judge = Judge(client, remote, evidence, Hosts(stop, pause), private)
        work = _Run(settings, catalog, judge, limit, seconds, stop)
        work.take_up()
        with ThreadPoolExecutor(min(settings.concurrency, THREADS)) as pool:
            for done in as_they_end([pool.submit(work.go_on) for _ in range(min(settings.concurrency, THREADS))]):
                done.result()
        return work.result


class _Run:
    """What the threads of one run share."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        judge: Judge,
        limit: int | None,
        seconds: float | None,
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._judge = judge
        self._left = limit
        self._until = None if seconds is None else time.monotonic() + seconds
        self._stop = stop
        self._lock = threading.Lock()
        self._failed = False
        self.result = LookedBack()

    def take_up(self) -> None:
        """Give every newly published version a row, a batch a transaction."""
        while (found := self._catalog.without_origin()) and not self._stop.is_set():
            new = []
            for each in found:
                known = origin.derive(each.mv, each.origin)
                due_at = schedule.first(each.published_at, self._catalog.clock(), has_hash=bool(known and known.hash))
                row = NewOrigin(id=each.id, repository=each.mv.path, due_at=due_at)
                if known:
                    row = NewOrigin(
                        id=each.id,
                        repository=known.url,
                        due_at=due_at,
                        vcs=known.vcs,
                        subdir=known.subdir,
                        ref=known.ref,
                        hash=known.hash,
                        known=known.known,
                    )
                new.append(row)
            self._catalog.add_origins(new, found[-1].sequence)
            self.result.taken_up += len(new)

    def go_on(self) -> None:
        """Look at one repository after the other till nothing is due, or the run is over."""
        whole = False
        try:
            while (share := self._share()) and self._one(share):
                pass
            whole = True
        finally:
            self._failed |= not whole  # then the others end, too

    def _one(self, share: int) -> bool:
        owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
        rows = self._catalog.lease_origins(owner, limit=share, seconds=self._settings.lease_seconds)
        self._give_back(share - len(rows))
        if not rows:
            return False
        try:
            looks = self._judge.look(rows, self._catalog.clock())
        except StoppedError:
            self._catalog.release_origins(owner)
            return False
        self._note(looks, self._catalog.finish_origins(owner, looks))
        return True

    def _share(self) -> int:
        """Return how many versions may be leased now, taking them off the limit."""
        late = self._until is not None and time.monotonic() >= self._until
        if late or self._failed or self._stop.is_set():
            return 0
        with self._lock:
            share = self._settings.batch if self._left is None else min(self._settings.batch, self._left)
            if self._left is not None:
                self._left -= share
            return share

    def _give_back(self, unused: int) -> None:
        with self._lock:
            if self._left is not None:
                self._left += unused

    def _note(self, looks: Sequence[Look], told: Sequence[Look]) -> None:
        for look in told:
            says = {"mv": str(look.row.mv), "finding": look.finding.value, "detail": look.detail}
            log.warning("origin changed", extra=says)
        if looks[0].finding is Finding.UNREACHABLE:
            log.warning("origin unreachable", extra={"repository": looks[0].row.repository, "detail": looks[0].detail})
        with self._lock:
            self.result.versions += len(looks)
            self.result.repositories += 1
            counts = Counter(self.result.findings) + Counter(look.finding.value for look in looks)
            self.result.findings = dict(counts)
            self.result.changes += [_line(look) for look in told]


def _line(look: Look) -> dict[str, str]:
    return {
        "module": str(look.row.mv),
        "finding": look.finding.value,
        "repository": look.row.repository,
        "detail": look.detail,
        "evidence": look.evidence,
    }
