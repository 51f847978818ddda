"""Source `closure`: what building the versions that we hold or have queued asks for, as `go` loads the module graph.

Given modules or seed lists, it is about those alone, and queues them too. Rounds: load the graph of every release as
far as its go.mod files are had, get those that are missing (from the store, else from the upstream: the few bytes of
a .mod, so that one run finds all), and load again, until nothing is missing, what is left cannot be had, or the limit
is reached. What could not be had is reported with the release that asks for it. The go.mod files read here only lead
to names; what is published is validated like all else.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace

from gopherwood import store
from gopherwood.catalog import Wanted
from gopherwood.closure import Loader, Report
from gopherwood.discover import seed
from gopherwood.discover.source import Ask, Bad, Batch, concurrently
from gopherwood.errors import GopherwoodError, StoppedError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError
from gopherwood.states import OPEN, State

log = logging.getLogger(__name__)

MOST_RELEASES = 1_000_000
"""Releases whose graphs are loaded in one run."""


class _Mods:
    """The go.mod files had so far, and why others are not."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._store = store.open_store(ask.settings)
        self._had: dict[ModuleVersion, bytes] = {}
        self.absent: dict[ModuleVersion, Bad] = {}

    def get(self, mv: ModuleVersion) -> bytes | None:
        """Return a go.mod that was fetched, or is in the store."""
        if mv not in self._had and mv not in self.absent:
            try:
                self._had[mv] = self._store.read(store.key(mv, ".mod"))
            except MissingError:
                return None
        return self._had.get(mv)

    def fetch(self, mv: ModuleVersion) -> bool:
        """Get a go.mod from the upstream; False, and a report, when it cannot be had."""
        try:
            self._had[mv] = self._ask.upstream.mod(mv)
        except StoppedError:
            raise
        except GopherwoodError as error:
            self.absent[mv] = Bad(str(mv), str(error), error.retry)
        return mv in self._had


def find(ask: Ask) -> Iterator[Batch]:
    """Yield what is missing, a batch a round, and at the end what could not be had."""
    mods = _Mods(ask)
    loader = Loader(mods.get)
    pending = []
    for batch in _releases(ask):
        pending += [mv for mv in batch.wanted if isinstance(mv, ModuleVersion)]
        yield batch if ask.is_named else Batch()
    left, why = ask.limit, dict[ModuleVersion, ModuleVersion]()
    while pending and left > 0 and not ask.stop.is_set():
        report = Report()
        unfinished = []
        for release in pending:
            closure = loader.closure(release)
            report.add(closure)
            if closure.missing - mods.absent.keys():
                unfinished.append(release)
        why |= report.missing
        wanted = sorted(report.missing.keys() - mods.absent.keys())[:left]
        log.info("closure", extra={"releases": len(pending), "complete": report.complete, "missing": len(wanted)})
        had = [mv for mv, is_had in zip(wanted, concurrently(mods.fetch, wanted, ask.stop), strict=True) if is_had]
        left -= len(had)
        yield Batch(
            [Wanted(mv, f"needed by {why[mv]}") for mv in had],
            [Bad(str(mv), "its module graph is too large") for mv in report.truncated if mv not in unfinished],
        )
        pending = unfinished
    yield Batch(bad=[replace(bad, why=f"{bad.why} (needed by {why[mv]})") for mv, bad in sorted(mods.absent.items())])
    if left <= 0:
        yield Batch(bad=[Bad("closure", f"stopped after {ask.limit} versions: run it again for more", retry=True)])


def _releases(ask: Ask) -> Iterator[Batch]:
    """Yield the releases that were asked for, else all that are published or on their way."""
    if ask.is_named:
        yield from seed.find(ask)
    else:
        rows = ask.catalog.recent((State.PUBLISHED, *OPEN), limit=MOST_RELEASES)
        yield Batch(sorted(row.mv for row in rows))
