"""`audit --scrub` and `audit --heal`: see that every byte in the store is still what was published.

The store is read part by part (parts.py), the part unseen for longest first, a share of it each day, so that all of it
is read in `scrub_days`. Workers lease parts, as many as take about a second; each keeps a checkpoint in the catalog
every few seconds, at a module's boundary, so one that is told to stop ends at the boundary of a version, and one that
is killed loses seconds of work. What is damaged is withheld and healed as it is found (repair.py); what could not be
healed makes the exit code 3.
"""

import logging
import os
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from gopherwood import store
from gopherwood.audit.budget import Budget
from gopherwood.audit.examine import Kind
from gopherwood.audit.names import YOUNG_SECONDS
from gopherwood.audit.parts import NAMES, Extent, by_part, extent
from gopherwood.audit.repair import Repairs, Settled
from gopherwood.audit.walk import Tools, Walk
from gopherwood.catalog import Catalog, Round
from gopherwood.config import Settings
from gopherwood.ends import as_they_end
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTEGRITY, EXIT_NOTHING_TO_DO, StorageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import Objects

log = logging.getLogger(__name__)

MOST_DAMAGED = 100
"""Files that one run takes out of service. More are no flipped bits but something that a person has to see first."""

BATCH_SECONDS = 1.0
"""About how long the parts take that a worker leases at once: few questions of a small store, fair turns in a large."""
MOST_PARTS = 32

SAMPLE = 50
"""Published versions of which some must be in the store, or it is the wrong store, or not mounted."""
ENOUGH = 10
"""Fewer published versions prove nothing."""


@dataclass(slots=True)
class Scrubbed:
    """What a run has looked at, found and done."""

    parts: int = 0
    """Parts of the store that are through."""
    versions: int = 0
    bytes: int = 0
    damaged: int = 0
    """Files of versions that were not what was published."""
    healed: int = 0
    """Of those: are again."""
    withheld: int = 0
    """Of those: are out of service till they are healed."""
    lists: int = 0
    """Version lists that were not what the catalog derives, written anew."""
    extra: int = 0
    """Files that nobody published."""
    contradicted: int = 0
    """Versions of which the catalog says other hashes than the ledger."""
    unread: int = 0
    """Versions that the storage did not give us."""
    stopped: str = ""
    """Why the run ended before its time."""

    @property
    def exit_code(self) -> int:
        """3 for what is not healed, extra or contradicted, 1 when something was not read, 99 when none was due."""
        if self.withheld or self.extra or self.contradicted or self.stopped:
            return EXIT_INTEGRITY
        if self.unread:
            return EXIT_FAILED
        return EXIT_DONE if self.parts or self.versions or self.damaged else EXIT_NOTHING_TO_DO


def run(
    settings: Settings,
    *,
    everything: bool = False,
    parts: int | None = None,
    budget: Budget | None = None,
    workers: int = 1,
    heal: bool = True,
    deep: bool = False,
    young_seconds: float = YOUNG_SECONDS,
    most_damaged: int = MOST_DAMAGED,
    stop: threading.Event,
) -> Scrubbed:
    """Scrub a day's share of the store, or as much as is asked for. Raises StorageError when ours fails.

    A file that nobody published is called extra once it is `young_seconds` old; a run ends when it has found
    `most_damaged` files damaged.
    """
    objects = store.open_store(settings)
    with ExitStack() as stack:
        catalog = stack.enter_context(Catalog.ready(settings))
        repairs = stack.enter_context(Repairs(settings, catalog, objects, heal=heal))
        require_content(catalog, objects)
        paths = by_part(catalog.paths())
        days = settings.scrub_days
        what = extent(catalog.clock(), days, len(paths) + 1, everything=everything, parts=parts, budget=budget)
        tools = Tools(catalog, objects, repairs, settings.lease_seconds, deep, young_seconds)
        scrub = Scrub(tools, paths, what, stop, most_damaged)
        with ThreadPoolExecutor(workers, thread_name_prefix="scrub") as pool:
            for done in as_they_end([pool.submit(scrub.work) for _ in range(workers)]):
                done.result()
    return scrub.result


def heal(settings: Settings, *, stop: threading.Event) -> Scrubbed:
    """Try again to heal what is damaged."""
    objects, result = store.open_store(settings), Scrubbed()
    with Catalog.ready(settings) as catalog, Repairs(settings, catalog, objects, heal=True) as repairs:
        require_content(catalog, objects)
        for damage in catalog.open_damages():
            if stop.is_set():
                break
            result.extra += damage.kind == Kind.EXTRA
            result.contradicted += damage.kind == Kind.LEDGER
            if damage.suffix in store.SUFFIXES:
                settled = repairs.settle(damage.mv, damage.suffix)
                result.damaged += 1
                result.withheld += settled is Settled.WITHHELD
                result.healed += settled is not Settled.WITHHELD
    return result


def require_content(catalog: Catalog, objects: Objects) -> None:
    """Raise StorageError when the store has nothing of what is published: it is not mounted, or another one."""
    oldest = catalog.published_since(limit=SAMPLE)
    marks = (store.key(ModuleVersion(entry.path, entry.version), store.MARK) for entry in oldest)
    if len(oldest) >= ENOUGH and all(objects.size(mark) is None for mark in marks):
        says = f"{objects.url} holds none of the {len(oldest)} versions that were published first"
        raise StorageError(says, hint="is it mounted, and is GOPHERWOOD_STORE what it was? Nothing was touched")


class Scrub:
    """One run; its workers are threads, since hashing lets others run."""

    def __init__(
        self, tools: Tools, paths: dict[str, list[str]], what: Extent, stop: threading.Event, most_damaged: int
    ) -> None:
        self.tools = tools
        self._paths = paths
        self._parts = [*paths, NAMES]
        self._what = what
        self._stop = stop
        self._most_damaged = most_damaged
        self._end = time.monotonic() + what.budget.seconds
        self._begun = 0
        self._lock = threading.Lock()
        self.result = Scrubbed()

    def work(self) -> None:
        """Lease and scrub one part after the other, till none is due, the budget is spent, or it is told to stop."""
        owner = f"scrub-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        size = 1
        try:
            while self._goes_on() and (rounds := self._lease(owner, size)):
                begun = time.monotonic()
                Walk(self.tools, rounds, self._paths, self._goes_on, self.add).run()
                took = time.monotonic() - begun
                if took < BATCH_SECONDS / 2:
                    size = min(size * 2, MOST_PARTS)
                elif took > BATCH_SECONDS:
                    size = max(1, size // 2)
        finally:
            self.tools.catalog.give_back_parts(owner)

    def _lease(self, owner: str, size: int) -> list[Round]:
        what, seconds = self._what, self.tools.seconds
        with self._lock:
            limit = int(min(size, what.parts - self._begun))
            self._begun += limit
        if not limit:
            return []
        rounds = self.tools.catalog.lease_parts(
            self._parts, owner=owner, seconds=seconds, before=what.before, share=what.share, limit=limit
        )
        with self._lock:
            self._begun -= limit - len(rounds)
        return rounds

    def _goes_on(self) -> bool:
        spent = self.result.bytes >= self._what.budget.bytes or time.monotonic() >= self._end
        return not (self._stop.is_set() or spent or self.result.stopped)

    def add(self, **numbers: int) -> None:
        """Add to the result."""
        with self._lock:
            for name, number in numbers.items():
                setattr(self.result, name, getattr(self.result, name) + number)
            if self.result.damaged >= self._most_damaged and not self.result.stopped:
                self.result.stopped = f"{self.result.damaged} files are damaged: look at the storage before any more"
