"""Verb `fetch`: lease wanted versions, download their three files into staging, and say what became of each.

One coordinator (the calling thread) leases small batches, keeps a pool of threads busy across them, renews leases and
finishes outcomes a batch at a time; the threads only download. Nothing is judged here, every byte is counted: rules of
content are validate's. SIGTERM gives back what is unfinished and counts no attempt; SIGKILL loses nothing, for leases
end by themselves and no attempt writes where another does. An upstream that answers nobody any more ends the run
before every version has burnt an attempt on it.
"""

import logging
import os
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from gopherwood.catalog import Catalog, Job, Outcome
from gopherwood.config import Settings
from gopherwood.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_NOTHING_TO_DO,
    GopherwoodError,
    OursError,
    StoppedError,
    StorageError,
)
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.staging import Staging
from gopherwood.states import State
from gopherwood.upstream import Upstream

log = logging.getLogger(__name__)

SUFFIXES = (".info", ".mod", ".zip")
FLUSH_SECONDS = 2.0
"""Seconds that an outcome waits at most for its batch to fill."""
GRACE_SECONDS = 5.0
"""Seconds that downloads under way get to end after a stop; then their connections are cut."""
OUTAGE = 3
"""An upstream is out when this many times `concurrency` versions failed in a row."""
_TICK = 0.25
_GATHER = 0.01
"""Seconds in which ended downloads gather while the pool is busy: waking up for each costs a third of the CPU."""

Progress = Callable[[Outcome], object]


@dataclass(slots=True)
class Result:
    """What a run of fetch did."""

    staged: int = 0
    failed: int = 0
    """Tried again later: the catalog knows when."""
    gone: int = 0
    rejected: int = 0
    lost: int = 0
    """Somebody else had taken them over before we were done."""
    bytes: int = 0
    """Size of the files that were staged."""
    stopped: str = ""
    """Why the run ended before the queue did."""

    @property
    def exit_code(self) -> int:
        """Done when everything leased has an outcome for good; failed when trying again may help."""
        if self.failed or self.stopped:
            return EXIT_FAILED
        return EXIT_DONE if self.staged + self.gone + self.rejected + self.lost else EXIT_NOTHING_TO_DO

    def count(self, outcome: Outcome) -> None:
        """Add one outcome."""
        name = outcome.state.value
        setattr(self, name, getattr(self, name) + 1)
        self.bytes += sum(outcome.facts.get(fact, 0) for fact in ("zip_size", "mod_size"))


def run(
    settings: Settings,
    *,
    owner: str | None = None,
    limit: int | None = None,
    worker: int | None = None,
    stop: threading.Event | None = None,
    catalog: Catalog | None = None,
    upstream: Upstream | None = None,
    progress: Progress | None = None,
) -> Result:
    """Fetch until nothing is due, `limit` versions were leased, or `stop` is set.

    `owner` must be unique to this run; by default it is made up from host, process and `worker`. `progress` is called
    in this thread with each outcome that the catalog took. Raises StorageError and ConfigError; leases are given back.
    """
    owner = owner or f"fetch-{worker or 0}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    with ExitStack() as stack:
        if catalog is None:
            catalog = stack.enter_context(Catalog.ready(settings))
        if upstream is None:
            upstream = Upstream.from_settings(settings)
            stack.callback(upstream.close)
        staging = Staging(open_objects(settings.staging_url, mutable=True, settings=settings))
        stack.callback(staging.close)
        coordinator = _Coordinator(settings, owner, catalog, upstream, staging, stop or threading.Event(), progress)
        return coordinator.run(limit)


class Files(Protocol):
    """Where the three files of a version come from: an upstream, a bundle."""

    def info(self, mv: ModuleVersion) -> bytes:
        """Return the `.info`."""

    def mod(self, mv: ModuleVersion) -> bytes:
        """Return the `.mod`."""

    def zip_to(self, mv: ModuleVersion, path: Path) -> int:
        """Write the `.zip` into a file; return its bytes."""


def download(job: Job, upstream: Files, staging: Staging) -> Outcome:
    """Download one version into staging; return what became of it.

    Raises StoppedError, and the errors that end a run because no other version would fare better.
    """
    token = ""
    try:
        info = upstream.info(job.mv)
        mod = upstream.mod(job.mv)
        token = staging.begin(job.mv, job.attempt)
        staging.path_for(token, ".info").write_bytes(info)
        staging.path_for(token, ".mod").write_bytes(mod)
        size = upstream.zip_to(job.mv, staging.path_for(token, ".zip"))
        staging.commit(token, SUFFIXES)
        return Outcome(job=job, state=State.STAGED, facts={"token": token, "zip_size": size, "mod_size": len(mod)})
    except (GopherwoodError, OSError) as error:
        if token:
            staging.drop([token])
        if isinstance(error, OSError):
            raise StorageError(f"cannot stage {job.mv}: {error}") from error
        if isinstance(error, OursError):
            raise
        return _failure(job, error)


def _failure(job: Job, error: GopherwoodError) -> Outcome:
    """Return the outcome that an error stands for; the catalog chooses when to try again unless the upstream did."""
    asked = getattr(error, "retry_after", None) if error.retry else None
    retry_at = datetime.now(UTC) + timedelta(seconds=asked) if asked else None
    return Outcome(job=job, state=error.state, reason=error.reason, detail=str(error), retry_at=retry_at)


class _Coordinator:
    """The state of one run. Only its `run` is called from outside, and only downloads happen in other threads."""

    def __init__(
        self,
        settings: Settings,
        owner: str,
        catalog: Catalog,
        upstream: Upstream,
        staging: Staging,
        stop: threading.Event,
        progress: Progress | None,
    ) -> None:
        self._settings = settings
        self._owner = owner
        self._catalog = catalog
        self._upstream = upstream
        self._staging = staging
        self._stop = stop
        self._progress = progress
        self._ended: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
        self._under_way: dict[Future[Outcome], Job] = {}
        self._outcomes: list[Outcome] = []
        self._flushed = self._renewed = time.monotonic()
        self._failed_in_a_row = 0
        self._broken: BaseException | None = None
        self._result = Result()

    def run(self, limit: int | None) -> Result:
        """Work until there is nothing left to do."""
        left = limit if limit is not None else float("inf")
        with ThreadPoolExecutor(self._settings.concurrency, "fetch") as pool:
            try:
                while not self._is_over():
                    # The next batch is leased while the pool still works on this one.
                    if left > 0 and len(self._under_way) <= 2 * self._settings.concurrency:
                        leased = self._lease(pool, int(min(left, self._settings.batch)))
                        left = left - leased if leased else 0
                    if not self._under_way:
                        break
                    self._collect()
                    self._keep_leases()
                self._wind_down()
            finally:
                # Also on the way out of an error: nothing may hold the pool, nor a lease.
                self._cut_off(pool)
                self._flush()
                self._catalog.release(self._owner)
        if self._broken:
            raise self._broken
        return self._result

    def _is_over(self) -> bool:
        if self._broken:
            self._result.stopped = str(self._broken)
        elif self._stop.is_set():
            self._result.stopped = "told to stop"
        elif self._failed_in_a_row >= OUTAGE * self._settings.concurrency:
            self._result.stopped = f"{self._failed_in_a_row} versions in a row failed: the upstream seems to be out"
        return bool(self._result.stopped)

    def _lease(self, pool: ThreadPoolExecutor, limit: int) -> int:
        jobs = self._catalog.lease("fetch", owner=self._owner, limit=limit, seconds=self._settings.lease_seconds)
        for job in jobs:
            future = pool.submit(download, job, self._upstream, self._staging)
            self._under_way[future] = job
            future.add_done_callback(self._ended.put)
        return len(jobs)

    def _collect(self) -> None:
        """Wait a moment for downloads to end, take all that did, and finish a batch when it is time."""
        try:
            self._take(self._ended.get(timeout=_TICK))
            if len(self._under_way) > self._settings.concurrency:
                self._stop.wait(_GATHER)
            while True:
                self._take(self._ended.get_nowait())
        except queue.Empty:
            pass
        is_due = time.monotonic() - self._flushed > FLUSH_SECONDS
        if len(self._outcomes) >= self._settings.batch or is_due or not self._under_way:
            self._flush()

    def _take(self, future: Future[Outcome]) -> None:
        job = self._under_way.pop(future)
        if future.cancelled():
            return
        if error := future.exception():
            if not isinstance(error, StoppedError):
                self._broken = self._broken or error
            return
        outcome = future.result()
        if outcome.state is not State.STAGED:
            log.info("%s: %s", outcome.reason, outcome.detail, extra={"mv": str(job.mv), "state": outcome.state})
        self._failed_in_a_row = self._failed_in_a_row + 1 if outcome.state is State.FAILED else 0
        self._outcomes.append(outcome)

    def _flush(self) -> None:
        """Finish the outcomes at hand in one transaction."""
        self._flushed = time.monotonic()
        outcomes, self._outcomes = self._outcomes, []
        if not outcomes:
            return
        finished = self._catalog.finish(outcomes)
        lost, exhausted = set(finished.lost), set(finished.exhausted)
        self._result.lost += len(lost)
        self._staging.drop([o.facts["token"] for o in outcomes if o.job.id in lost and "token" in o.facts])
        for outcome in outcomes:
            if outcome.job.id in lost:
                continue
            if outcome.job.id in exhausted:
                self._result.rejected += 1
            else:
                self._result.count(outcome)
            if self._progress:
                self._progress(outcome)

    def _keep_leases(self) -> None:
        """Renew the leases of all that is under way, well before they end."""
        seconds = self._settings.lease_seconds
        if time.monotonic() - self._renewed > seconds / 3:
            ids = [job.id for job in self._under_way.values()] + [outcome.job.id for outcome in self._outcomes]
            self._catalog.renew(self._owner, ids, seconds)
            self._renewed = time.monotonic()

    def _wind_down(self) -> None:
        """Let what is under way end, within the grace."""
        for future in tuple(self._under_way):
            future.cancel()
        until = time.monotonic() + GRACE_SECONDS
        while self._under_way and time.monotonic() < until:
            self._collect()

    def _cut_off(self, pool: ThreadPoolExecutor) -> None:
        """End what is still under way, and take the outcomes of what ended meanwhile."""
        if self._under_way:
            self._upstream.stop()
        pool.shutdown(cancel_futures=True)
        while self._under_way:
            self._take(self._ended.get())
